"""What things cost: `python tests/benchmarks/run.py [--only NAME] [--repetitions N] [--json] [--markdown PAGE]`.

A benchmark informs and never fails a build: the exit code is 0 whether a target is met or not.
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attribution_speed
import cached_epoch
import dashboard_speed
import diagnose_speed
import front_end
import lwlrap_speed
import recorder_cost
import recorder_memory
import run_log_forms
import run_log_speed
from results import BEGIN, cells, markdown, parts_of, row, table, write_between
from rich.console import Console
from timing import Benchmark, Group, machine

GROUPS: tuple[Group, ...] = (
    *recorder_cost.GROUPS,
    *recorder_memory.GROUPS,
    *lwlrap_speed.GROUPS,
    *cached_epoch.GROUPS,
    *front_end.GROUPS,
    *run_log_forms.GROUPS,
    *run_log_speed.GROUPS,
    *diagnose_speed.GROUPS,
    *attribution_speed.GROUPS,
    *dashboard_speed.GROUPS,
)

REPETITIONS = 5

COMMAND = "python tests/benchmarks/run.py --markdown docs/benchmarks.md"


def chosen(only: str | None) -> list[tuple[Group, list[Benchmark]]]:
    """Of each group the benchmarks whose name holds `only`, all without it; no group without any."""
    asked = [(group, [one for one in group.benchmarks if _holds(one.name, only)]) for group in GROUPS]
    return [(group, benchmarks) for group, benchmarks in asked if benchmarks]


def results(
    picked: list[tuple[Group, list[Benchmark]]], repetitions: int, progress: Console
) -> Iterator[dict[str, Any]]:
    """Measure; a row a benchmark."""
    for group, benchmarks in picked:
        progress.print(f"measuring {benchmarks[0].name} ...")  # a spinner's thread would be counted
        for one, outcome in zip(benchmarks, group.measure(benchmarks, repetitions), strict=True):
            result = row(one, outcome)
            progress.print(f"  {' '.join(cells(result)[:3])}", highlight=False)  # of a run that is cut short, too
            yield result


def main(arguments: list[str] | None = None) -> int:
    """Run, print, return 0; 2 for a name that no benchmark has, and for a page without markers."""
    parser = argparse.ArgumentParser(description="What things cost; a target that is not met is told, not punished.")
    parser.add_argument("--only", metavar="NAME", help="benchmarks whose name holds this")
    parser.add_argument(
        "--repetitions", type=int, default=REPETITIONS, metavar="N", help="default %(default)s; fewer are rougher"
    )
    parser.add_argument("--json", action="store_true", help="JSON and nothing else on stdout")
    parser.add_argument("--markdown", type=Path, metavar="PAGE", help=f"put the tables into this page, at {BEGIN}")
    given = parser.parse_args(arguments)
    picked = chosen(given.only)
    if not picked:
        known = "; ".join(one.name for group in GROUPS for one in group.benchmarks)
        parser.error(f"no benchmark holds {given.only!r}; known: {known}")
    if given.markdown is not None:
        _check_page(parser, given)
    measured_on = machine()
    rows = list(results(picked, max(1, given.repetitions), Console(stderr=True)))
    if given.markdown is not None:
        write_between(given.markdown, markdown(rows, measured_on, COMMAND))
    if given.json:
        print(json.dumps({**measured_on, "results": rows}, indent=1))
    else:
        console = Console()
        (console if console.is_terminal else Console(width=120)).print(table(rows, measured_on))
    return 0


def _holds(name: str, only: str | None) -> bool:
    return only is None or only.lower() in name.lower()


def _check_page(parser: argparse.ArgumentParser, given: argparse.Namespace) -> None:
    """Before minutes of measuring: whether the page can take the tables."""
    if given.only is not None:
        parser.error("--markdown replaces the page's tables, which --only would leave incomplete; drop one of them")
    try:
        parts_of(given.markdown)
    except (OSError, ValueError) as fault:
        parser.error(str(fault))


if __name__ == "__main__":
    raise SystemExit(main())
