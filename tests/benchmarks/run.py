"""Ratios of speed, measured: `python tests/benchmarks/run.py [--only NAME] [--repetitions N] [--json]`.

A benchmark informs and never fails a build: the exit code is 0 whether a target is met or not.
"""

import argparse
import json

import cached_epoch
import front_end
import lwlrap_speed
import recorder_cost
from results import row, table
from rich.console import Console
from timing import Benchmark, n_cores

BENCHMARKS: tuple[Benchmark, ...] = (
    *recorder_cost.BENCHMARKS,
    *lwlrap_speed.BENCHMARKS,
    *cached_epoch.BENCHMARKS,
    *front_end.BENCHMARKS,
)

REPETITIONS = 5


def chosen(only: str | None) -> list[Benchmark]:
    """The benchmarks whose name holds `only`; all without it."""
    return [benchmark for benchmark in BENCHMARKS if only is None or only.lower() in benchmark.name.lower()]


def main(arguments: list[str] | None = None) -> int:
    """Run, print, return 0; 2 for a name that no benchmark has."""
    parser = argparse.ArgumentParser(description="Ratios of speed; a target that is not met is told, not punished.")
    parser.add_argument("--only", metavar="NAME", help="benchmarks whose name holds this")
    parser.add_argument("--repetitions", type=int, default=REPETITIONS, metavar="N")
    parser.add_argument("--json", action="store_true", help="JSON and nothing else on stdout")
    given = parser.parse_args(arguments)
    picked = chosen(given.only)
    if not picked:
        parser.error(f"no benchmark holds {given.only!r}; known: {'; '.join(known.name for known in BENCHMARKS)}")
    progress = Console(stderr=True)
    rows = []
    for benchmark in picked:
        with progress.status(benchmark.name):
            rows.append(row(benchmark, benchmark.measure(max(1, given.repetitions))))
    if given.json:
        print(json.dumps({"cores": n_cores(), "results": rows}, indent=1))
    else:
        console = Console()
        (console if console.is_terminal else Console(width=120)).print(table(rows, n_cores()))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
