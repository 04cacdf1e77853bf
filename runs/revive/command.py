"""What `flatline revive` does, and what a person sees of it."""

import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ...diagnostics.errors import RunError
from ..commands import check_writable
from ..diagnosing import COLOURS
from ..display import ERRORS, counting, fitted, number, stdout
from ..jsons import to_json
from ..read_once import ReadOnce
from ..recipe import RecipeError
from .doctor import DEPTH
from .revived import Revived
from .reviving import SEEDS, Budget, revive

GIVEN_UP = {"gradient\nratio": 30, "seconds": 30, "iterations": 30, "constant": 24, "chance": 24}
"""Columns of the table that a narrow terminal does not show (see `fitted`)."""


NOTHING_TRIED = "Nothing was tried: no finding names a remedy. --arms a,b,c tries what you name."
NOTHING_HELPED = "Nothing that was tried made it better."


def revive_run(
    name: str,
    logs: Path,
    *,
    iterations: int | None = None,
    arms: Sequence[str] | None = None,
    budget: Budget | None = None,
    data: Path | None = None,
    seeds: int = SEEDS,
    depth: int = DEPTH,
    jobs: int | None = None,
    save: Path | None = None,
) -> Revived:
    """Trials of a run by its name or folder, with a line as each stage begins and ends.

    save : where to write the prescribed recipe as well
    """
    run = ReadOnce(name, logs)
    if isinstance(run.path, Path):
        check_writable(run.path.parent)
    if save is not None and not save.absolute().parent.is_dir():
        raise RecipeError(f"{save.parent} is no folder (--save {save}); make it first")
    with ExitStack() as stack:
        progress = stack.enter_context(counting("iterations of the arms"))
        revived = revive(
            run,
            iterations=iterations,
            arms=arms,
            budget=budget,
            data=data,
            seeds=seeds,
            depth=depth,
            jobs=jobs,
            say=lambda words: ERRORS.print(words, soft_wrap=True, highlight=False),
            told=lambda under_way, done, total: progress(done, total),
        )
    if save is not None:
        _save(revived, save)
    return revived


def _save(revived: Revived, path: Path) -> None:
    if revived.recipe is None:
        raise RunError(f"nothing helped {Path(revived.run).name}, so there is no recipe to write (--save {path})")
    try:
        path.write_bytes(Path(revived.recipe).read_bytes())
    except OSError as error:
        raise RunError(f"{path} cannot be written ({error.strerror or error}); choose another with --save") from None


def print_revived(revived: Revived, *, as_json: bool) -> None:
    """JSON, or the table, the prescription, and what speaks against it."""
    if as_json:
        sys.stdout.write(to_json(revived.to_json(), indent=1) + "\n")
        return
    console = stdout()
    console.print(Text(f"Trials of {Path(revived.run).name}, from iteration {revived.from_iteration}", "italic"))
    console.print(revival_table(revived.arms, console.width))
    for number_, stage in enumerate(revived.stages, 1):
        console.print(Text(f"{number_}. on {stage['on']} ({stage['cause'] or 'no cause named'}): {stage['why']}"))
    _prescribe(console, revived)


def revival_table(arms: Sequence[dict[str, Any]], width: int) -> Table:
    """The arms for a terminal of that many characters."""
    columns = {
        "intervention": [Text(arm["intervention"].replace("+", " + ")) for arm in arms],
        **{key: [Text(number(arm[key])) for arm in arms] for key in ("lwlrap", "chance", "constant")},
        "verdict": [_verdict(arm) for arm in arms],
        "gradient\nratio": [Text(number(arm["gradient_ratio"])) for arm in arms],
        "RNN's\nshare": [Text(_share(arm["rnn_share"])) for arm in arms],
        "iterations": [Text(f"{arm['iterations']:,}") for arm in arms],
        "seconds": [Text(f"{arm['seconds']:.0f}") for arm in arms],
    }
    right = [heading for heading in columns if heading not in ("intervention", "verdict")]
    return fitted(columns, width, given_up=GIVEN_UP, right=right)


def _prescribe(console: Console, revived: Revived) -> None:
    if revived.best == "unchanged":
        console.print(Text(f"\n{NOTHING_TRIED if len(revived.arms) == 1 else NOTHING_HELPED}", "bold yellow"))
    else:
        console.print(Text.assemble("\n", ("Prescription: ", "bold"), revived.best.replace("+", ", then ")))
        if revived.diff:
            console.print(Text(revived.diff))
        if revived.mean is not None and len(revived.seeds) > 1:
            console.print(Text(in_words(revived)))
        for sentence in revived.against:
            console.print(Text(f"Against it: {sentence}"), soft_wrap=True)
        if revived.recipe is not None:
            console.print(Text(f"flatline train {revived.recipe}", "dim"), soft_wrap=True)
    if revived.stopped:
        console.print(Text(f"Stopped early: {revived.stopped}.", "yellow"))
    if revived.cost is not None and len(revived.arms) > 1:
        console.print(
            Text(f"The arms took {revived.cost:.2f} of what they would have, each trained to its end.", "dim")
        )


def in_words(revived: Revived) -> str:
    """The seeds' scores in one sentence."""
    each = ", ".join(number(seed["lwlrap"]) for seed in revived.seeds)
    told = f"lwlrap {number(revived.mean)}, mean of {len(revived.seeds)} seeds ({each}"
    return told + (")" if revived.low is None else f"; 95 % interval {revived.low:.3f} to {revived.high:.3f})")


def _verdict(arm: dict[str, Any]) -> Text:
    if arm["verdict"] is None:
        return Text("failed", "red")
    told = arm["verdict"] if arm["cause"] is None else f"{arm['verdict']}: {arm['cause']}"
    return Text(told, COLOURS[arm["verdict"]])


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.0%}"
