"""What became of a run, since when and why: the verdict in words, and its evidence as figures."""

from pathlib import Path
from typing import Any

import dash_mantine_components as dmc
import plotly.graph_objects as go
from dash import Dash, Input, Output, State, dcc, html
from dash.exceptions import PreventUpdate

from ...runs.run import Run
from .. import figures
from ..addresses import parse, run_path
from ..figures.marks import marks_of
from ..figures.theme import message, theme_named
from ..judging import Judge
from ..shell import RECORDED, SCHEME, URL
from .cards import CONFIG, downloads
from .diagnosis_content import content
from .figure_page import reason

WORDS = "diagnosis-words"
EVIDENCE = "diagnosis-figures"

MOST_FIGURES = 6
"""Findings whose signals are drawn; the others stand in the table."""


def layout(run: Run) -> dmc.Stack:
    """The page, still to be filled."""
    return dmc.Stack([html.Div(id=WORDS), html.Div(id=EVIDENCE)], gap="md")


def register(app: Dash, logs: Path, judge: Judge) -> None:
    """The callbacks of this page: the words, and the figures of what was found."""

    def path_of(path: str | None) -> Path:
        address = parse(path or "/")
        if address is None or address.page != "diagnosis" or address.run is None:
            raise PreventUpdate
        return run_path(logs, address.run) or logs / address.run

    @app.callback(Output(WORDS, "children"), Input(RECORDED, "data"), State(URL, "pathname"))
    def words(_: str, path: str | None) -> Any:
        run = path_of(path)
        return content(run.name, judge.summary(run))

    @app.callback(Output(EVIDENCE, "children"), Input(RECORDED, "data"), Input(SCHEME, "data"), State(URL, "pathname"))
    def pictures(_: str, scheme: str | None, path: str | None) -> Any:
        if scheme is None:
            raise PreventUpdate
        return evidence_cards(path_of(path), judge.summary(path_of(path)), scheme)


def evidence_cards(path: Path, summary: dict[str, Any] | None, scheme: str) -> Any:
    """When each finding held, the signals of the worst ones, and what each part carries of the score."""
    if not summary or "diagnosis" not in summary:
        return []
    findings = summary["diagnosis"]["findings"]
    marks = marks_of(findings)
    cards = [
        _card("findings-timeline", lambda run: figures.findings_timeline(summary, scheme), path, scheme, wide=True)
    ]
    for place, finding in enumerate(findings[:MOST_FIGURES]):
        name = f"evidence-{place}"
        cards.append(
            _card(name, lambda run, one=finding: figures.evidence(run, one, scheme, marks=marks), path, scheme)
        )
    cards.append(_card("carried-share", lambda run: figures.carried_share(run, scheme), path, scheme))
    return dmc.SimpleGrid(cards, cols={"base": 1, "lg": 2}, spacing="md", className="cards")


def _card(name: str, draw: Any, path: Path, scheme: str, *, wide: bool = False) -> html.Div:
    graph = dcc.Graph(id=name, figure=_drawn(name, draw, path, scheme), config=CONFIG)  # type: ignore[arg-type]
    foot = html.Div([html.Div(), downloads(name)], className="foot")
    return html.Div(
        [html.Div(graph, className="figure"), foot],
        className="card wide" if wide else "card",
        **{"data-axis": "", "data-asks": "", "data-graph": name},
    )


def _drawn(name: str, draw: Any, path: Path, scheme: str) -> go.Figure:
    try:
        return draw(Run(path))
    except Exception as error:
        return message("", reason(error, name), theme_named(scheme))
