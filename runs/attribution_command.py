"""What `flatline attribute` does, and what a person sees of it."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from ..diagnostics.attribution.names import DEFAULT_METHOD, Of, check_names
from .attribution_store import Stored
from .display import counting, fitted, number, stdout
from .jsons import to_json
from .run import Run

if TYPE_CHECKING:
    from rich.console import Console

KEYS = ("run", "clip", "class", "method", "output", "baseline_output", "delta", "steps", "informative", "why", "file")
"""Of a row of `--json`: docs/attribution.md. All else that is known stands in the file."""

GIVEN_UP = {"random\nweights": 12, "insertion\n(random)": 12, "deletion\n(random)": 12, "steps": 12}
"""Columns of the table that a narrow terminal does not show (see `fitted`)."""


def attribute(
    name: str,
    clip: str,
    wanted: str,
    methods: Sequence[str],
    *,
    logs: Path,
    iteration: int | None,
    data: Path | None,
    baseline: str,
    of: Of | None,
    noise: int,
) -> list[Stored]:
    """Attribute, with a bar over the classes."""
    run, asked = Run(name, logs), methods or [DEFAULT_METHOD]
    check_names(asked, baseline)  # known before torch is imported
    from .attributing import Settings, attribute_clip

    settings = Settings(baseline, of, noise)
    with counting("classes") as progress:
        return attribute_clip(
            run, clip, wanted, asked, iteration=iteration, data=data, settings=settings, progress=progress
        )


def print_attributed(found: Sequence[Stored], *, as_json: bool) -> None:
    """JSON, or a table, why each verdict, and the files."""
    if as_json:
        print(to_json([{key: one.to_json()[key] for key in KEYS} for one in found], indent=1))
        return
    console = stdout()
    first = found[0]
    title = f"{first.clip}, {Path(first.run).name} at iteration {first.iteration}, {first.of}, from {_start(first)}"
    console.print(Text(title, "italic"), soft_wrap=True)
    console.print(attribution_table(found, console.width))
    for one in found:
        _explain(console, one)


def attribution_table(found: Sequence[Stored], width: int) -> Table:
    """The numbers for a terminal of that many characters."""
    columns = {
        "class": [Text(one.class_name) for one in found],
        "method": [Text(one.method) for one in found],
        "output": [Text(number(one.output)) for one in found],
        "baseline\noutput": [Text(number(one.baseline_output)) for one in found],
        "sum is\noff by": [Text(f"{one.delta:+.1e}") for one in found],
        "steps": [Text("–" if one.steps is None else str(one.steps)) for one in found],
        "deletion\n(random)": [Text(_pair(one, "deletion_area")) for one in found],
        "insertion\n(random)": [Text(_pair(one, "insertion_area")) for one in found],
        "random\nweights": [Text(number(_check(one, "randomised_weights"))) for one in found],
        "says": [
            Text("something" if one.informative else "nothing", "" if one.informative else "red") for one in found
        ],
    }
    right = [heading for heading in columns if heading not in ("class", "method", "says")]
    return fitted(columns, width, given_up=GIVEN_UP, right=right)


def _explain(console: "Console", one: Stored) -> None:
    console.print(Text(f"{one.class_name}, {one.method}: {one.why}."), soft_wrap=True)
    agreeing = (one.checks.get("agreement") or {}).items()
    if agreeing:
        pairs = ", ".join(f"{name} {number(_float(value))}" for name, value in agreeing)
        console.print(Text(f"  ranks as {pairs} (rank correlation)"), soft_wrap=True)
    console.print(Text(f"  {one.file}", "dim"), soft_wrap=True)


def _start(one: Stored) -> str:
    return str(one.options.get("baseline"))


def _pair(one: Stored, name: str) -> str:
    return f"{number(_check(one, name))} ({number(_check(one, f'{name}_random'))})"


def _check(one: Stored, name: str) -> float:
    return _float(one.checks.get(name))


def _float(value: float | None) -> float:
    return float("nan") if value is None else float(value)
