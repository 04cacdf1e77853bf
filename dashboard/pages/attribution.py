"""What a net heard in single clips: the attributions that a run keeps, each with what its checks say."""

import math
from collections.abc import Sequence
from typing import Any

import dash_mantine_components as dmc
from dash import html

from ...runs.attribution_store import Stored, all_stored
from ...runs.run import Run

MOST = 200
"""Attributions that are listed, the first by clip and class."""

HEADS = ("Clip", "Class", "Method", "Iteration", "Output", "Baseline's", "Says something", "Why, or why not")


def layout(run: Run) -> html.Div:
    """The page: a table, or how to make the first attribution."""
    stored = all_stored(run.path)
    return html.Div(_table(stored) if stored else _empty(run), className="card pad", id="attribution-map")


def _empty(run: Run) -> dmc.Stack:
    clip = next(iter(run.info.get("clips") or []), "CLIP")
    return dmc.Stack(
        [
            dmc.Title("No attributions in this run", order=3),
            dmc.Text("An attribution says which parts of a clip's log-mel moved one class's output. This makes some:"),
            dmc.Code(f"flatline attribute {run.name} {clip} --class true", block=True),
            dmc.Text(
                "They then stand here. The maps that the net itself made are on the Localisation page.", size="sm"
            ),
        ]
    )


def _table(stored: Sequence[Stored]) -> dmc.Stack:
    head = dmc.TableThead(dmc.TableTr([dmc.TableTh(name) for name in HEADS]))
    body = dmc.TableTbody([_row(one) for one in stored[:MOST]])
    table = dmc.Table([head, body], verticalSpacing="xs", className="numbers", id="attributions")
    more = len(stored) - MOST
    rest = [dmc.Text(f"and {more:,} more under attributions/", size="sm", c="dimmed")] if more > 0 else []
    title = dmc.Title("Attributions that this run keeps", order=3)
    where = dmc.Text(f"Arrays (frame, mel) and checks lie in {stored[0].file.parent}.", size="sm", c="dimmed")
    return dmc.Stack([title, where, dmc.TableScrollContainer(table, minWidth=900), *rest])


def _row(one: Stored) -> Any:
    says = dmc.Text("yes" if one.informative else "no", fw=600, c=_colour(one.informative))
    numbers = [f"{one.iteration:,}", _number(one.output), _number(one.baseline_output)]
    return dmc.TableTr([dmc.TableTd(cell) for cell in (one.clip, one.class_name, one.method, *numbers, says, one.why)])


def _colour(informative: bool) -> str:
    return "var(--flatline-good)" if informative else "var(--flatline-bad)"


def _number(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.3g}"
