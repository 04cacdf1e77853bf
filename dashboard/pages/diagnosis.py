"""What became of a run, since when and why: the verdict in words, and its evidence as figures."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import dash_mantine_components as dmc
import plotly.graph_objects as go
from dash import Dash, Input, Output, State, html
from dash.exceptions import PreventUpdate

from ...runs.run import Run
from .. import figures
from ..addresses import parse, run_path
from ..figures.marks import Mark
from ..figures.theme import message, theme_named
from ..judging import Judge
from ..shell import RECORDED, URL
from . import figure_page
from .cards import Card, card_of
from .diagnosis_content import CARRIED, MOST_EVIDENCE, TIMELINE, evidence_id, graph_ids, pieces, shown_evidence
from .diagnosis_tried import REVIVAL, has_trials, tried

VERDICT, CAUSE, REST, TRIED = "diagnosis-words", "diagnosis-cause", "diagnosis-rest", "diagnosis-tried"

Summary = dict[str, Any] | None


def _timeline(run: Run, theme: str = "light", *, summary: Summary = None) -> go.Figure:
    if summary is None or "diagnosis" not in summary:
        return _later(theme)
    return figures.findings_timeline(summary, theme, revision=f"{run.name} findings")


def _evidence(place: int) -> Callable[..., go.Figure]:
    def of_run(
        run: Run,
        theme: str = "light",
        *,
        summary: Summary = None,
        first: int | None = None,
        last: int | None = None,
        marks: Sequence[Mark] = (),
    ) -> go.Figure:
        found = shown_evidence(summary)[place : place + 1]
        if not found:
            return _later(theme)
        return figures.evidence(run, found[0], theme, first=first, last=last, marks=marks)

    return of_run


def _later(theme: str) -> go.Figure:
    """What stands in a card that is hidden until there is a finding for it."""
    return message("Evidence", "Nothing was found yet that this figure could show.", theme_named(theme))


CARDS = (
    Card(TIMELINE, _timeline, wide=True),
    Card(REVIVAL, figures.revival, axis="", wide=True),
    *(Card(evidence_id(place + 1), _evidence(place)) for place in range(MOST_EVIDENCE)),
    Card(CARRIED, figures.carried_share, axis=""),
)


def layout(run: Run) -> dmc.Stack:
    """The page, still to be filled; its figures stay where they are while the words change."""
    timeline, revival, *others = (card_of(card, id=place_of(card.graph), hidden=True) for card in CARDS)
    evidence = dmc.SimpleGrid(others, cols={"base": 1, "lg": 2}, spacing="md")
    verdict, cause, trials, rest = (html.Div(id=place) for place in (VERDICT, CAUSE, TRIED, REST))
    return dmc.Stack([verdict, timeline, cause, trials, revival, evidence, rest], gap="md")


def place_of(graph: str) -> str:
    """Id of the card of a graph."""
    return f"{graph}-card"


def register(app: Dash, logs: Path, judge: Judge) -> None:
    """The callbacks of this page: one for the words and for which figures there are, one a figure."""

    @app.callback(
        Output(VERDICT, "children"),
        Output(CAUSE, "children"),
        Output(REST, "children"),
        Output(TRIED, "children"),
        *(Output(place_of(card.graph), "hidden") for card in CARDS),
        Input(RECORDED, "data"),
        State(URL, "pathname"),
    )
    def fill(_: str, path: str | None) -> tuple[Any, ...]:
        address = parse(path or "/")
        if address is None or address.page != "diagnosis" or address.run is None:
            raise PreventUpdate
        return filled(logs, judge, address.run)

    figure_page.register(app, logs, judge, CARDS)


def filled(logs: Path, judge: Judge, name: str) -> tuple[Any, ...]:
    """The words of a run's page as it is judged now, and of each figure whether it is left out."""
    path = run_path(logs, name)
    summary = {"error": f"there is no run named {name!r} any more"} if path is None else judge.summary(path)
    trials = None if path is None else tried(logs, path, summary)
    there = [*graph_ids(summary), *([REVIVAL] if path is not None and has_trials(path) else [])]
    return (*pieces(name, summary), trials, *(card.graph not in there for card in CARDS))
