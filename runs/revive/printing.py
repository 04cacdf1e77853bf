"""What a person sees of trials: the table of arms, the prescription, what speaks against it; needs no torch."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..diagnosing import COLOURS
from ..display import fitted, number, stdout
from ..jsons import to_json
from .revived import Revived

GIVEN_UP = {"gradient\nratio": 30, "seconds": 30, "iterations": 30, "constant": 24, "chance": 24}
"""Columns of the table that a narrow terminal does not show (see `fitted`)."""

NOTHING_TRIED = "Nothing was tried: no remedy is named, or none can be (--arms a,b,c tries what you name)."
NOTHING_HELPED = "Nothing that was tried made it better."


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
        for name, why in () if stage["arms"] else stage["skipped"].items():
            console.print(Text(f"   {name}: {why}"), soft_wrap=True)
    for arm in revived.arms:
        if arm["verdict"] is None:
            console.print(Text(f"{arm['intervention']} {arm['note']}", "red"), soft_wrap=True)
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
