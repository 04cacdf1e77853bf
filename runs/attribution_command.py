"""What `flatline attribute` does, and what a person sees of it."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from rich.table import Table
from rich.text import Text

from ..diagnostics.attribution.names import DEFAULT_METHOD, Of, check_names
from .attribution_store import FOLDER, Stored
from .display import ERRORS, counting, fitted, number, stdout
from .jsons import to_json
from .run import Run

if TYPE_CHECKING:
    from rich.console import Console

    from .attribution_all import AllClips

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


def attribute_all(
    name: str,
    wanted: str,
    methods: Sequence[str],
    *,
    logs: Path,
    iteration: int | None,
    data: Path | None,
    baseline: str,
    of: Of | None,
    noise: int,
) -> "AllClips":
    """Attribute every clip that the run was evaluated on, with a bar over the clips."""
    run, asked = Run(name, logs), methods or [DEFAULT_METHOD]
    check_names(asked, baseline)
    from .attributing import Settings, check_run
    from .attribution_all import attribute_clips
    from .commands import data_of

    check_run(run)
    root = data_of(run) if data is None else data
    with counting("clips") as progress:
        try:
            return attribute_clips(
                run,
                root,
                wanted,
                asked,
                iteration=iteration,
                settings=Settings(baseline, of, noise),
                progress=progress,
            )
        except KeyboardInterrupt:
            ERRORS.print(f"what was found is kept in {run.path / FOLDER}; the same command goes on", soft_wrap=True)
            raise


def print_all(came: "AllClips", *, as_json: bool) -> None:
    """JSON of all attributions, or a line a method and what was left out."""
    if as_json:
        print_attributed(came.found, as_json=True)
        return
    console = stdout()
    first = came.found[0]
    clips = len({one.clip for one in came.found})
    console.print(Text(f"{clips} clips, {Path(first.run).name} at iteration {first.iteration}, {first.of}", "italic"))
    console.print(methods_table(came.found, console.width))
    for why in list(dict.fromkeys(one.why for one in came.found if not one.informative))[:1]:
        console.print(Text(f"Of those that say nothing, one: {why}."), soft_wrap=True)
    if came.left_out:
        console.print(Text(f"{len(came.left_out)} clips were left out: {came.left_out[0]}"), soft_wrap=True)
    console.print(Text(f"  {first.file.parent}", "dim"), soft_wrap=True)


def methods_table(found: Sequence[Stored], width: int) -> Table:
    """A row a method of many attributions, for a terminal of that many characters."""
    by_method: dict[str, list[Stored]] = {}
    for one in found:
        by_method.setdefault(one.method, []).append(one)
    of = list(by_method.values())
    columns = {
        "method": [Text(name) for name in by_method],
        "attributions": [Text(str(len(some))) for some in of],
        "computed\nnow": [Text(str(sum(one.made for one in some))) for some in of],
        "say\nsomething": [Text(str(sum(one.informative for one in some))) for some in of],
        "sum is off,\nmedian": [Text(f"{np.median([abs(one.delta) for one in some]):.1e}") for some in of],
        "deletion\nbeats random": [_beats(some, "deletion_area", -1) for some in of],
        "insertion\nbeats random": [_beats(some, "insertion_area", 1) for some in of],
    }
    return fitted(columns, width, given_up={}, right=[name for name in columns if name != "method"])


def _beats(found: Sequence[Stored], name: str, sign: int) -> Text:
    """Share of attributions whose curve is better than that of random orders."""
    gains = np.array([sign * (_check(one, name) - _check(one, f"{name}_random")) for one in found])
    return Text(number(float((gains[~np.isnan(gains)] > 0).mean()) if (~np.isnan(gains)).any() else float("nan"), 2))


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
