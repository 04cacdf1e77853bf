"""What became of a run, since when and why: the verdict in words, and its evidence as figures."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import dash_mantine_components as dmc
import plotly.graph_objects as go
from dash import Dash, Input, Output, State, dcc, html
from dash.exceptions import PreventUpdate

from ...runs.run import Run
from .. import figures
from ..addresses import parse, run_path
from ..captions import DIAGNOSIS
from ..figures.marks import marks_of
from ..figures.theme import message, theme_named
from ..judging import Judge
from ..shell import RECORDED, SCHEME, URL
from .cards import CONFIG, downloads
from .diagnosis_content import CARRIED, TIMELINE, content, evidence_id, shown_evidence
from .figure_page import reason

WORDS = "diagnosis-words"

Draw = Callable[[Run, str], go.Figure]


def layout(run: Run) -> html.Div:
    """The page, still to be filled."""
    return html.Div(id=WORDS)


def register(app: Dash, logs: Path, judge: Judge) -> None:
    """One callback: the figures stand among the words, and both wait for the verdict."""

    @app.callback(Output(WORDS, "children"), Input(RECORDED, "data"), Input(SCHEME, "data"), State(URL, "pathname"))
    def fill(_: str, scheme: str | None, path: str | None) -> Any:
        address = parse(path or "/")
        if scheme is None or address is None or address.page != "diagnosis" or address.run is None:
            raise PreventUpdate
        return filled(run_path(logs, address.run) or logs / address.run, judge, scheme)


def filled(path: Path, judge: Judge, scheme: str = "light") -> dmc.Stack:
    """The page of a run as it is judged now."""
    summary = judge.summary(path) if path.is_dir() else {"error": f"there is no run named {path.name!r} any more"}
    draws = drawings(summary)
    return content(path.name, summary, lambda graph: _card(graph, draws[graph], path, scheme))


def drawings(summary: dict[str, Any] | None) -> dict[str, Draw]:
    """How each graph of the page is drawn, by its id."""
    if summary is None or "diagnosis" not in summary:
        return {}
    marks = marks_of(summary["diagnosis"]["findings"])
    found: dict[str, Draw] = {
        TIMELINE: lambda run, scheme: figures.findings_timeline(summary, scheme),
        CARRIED: figures.carried_share,
    }
    for number, finding in enumerate(shown_evidence(summary), start=1):
        found[evidence_id(number)] = _evidence_of(finding, marks)
    return found


def _evidence_of(finding: dict[str, Any], marks: Any) -> Draw:
    return lambda run, scheme: figures.evidence(run, finding, scheme, marks=marks)


def _card(graph: str, draw: Draw, path: Path, scheme: str) -> html.Div:
    config: Any = {**CONFIG, "toImageButtonOptions": {"filename": graph, "scale": 2}}
    figure = dcc.Graph(id=graph, figure=_drawn(graph, draw, path, scheme), config=config)
    caption = dmc.Text(DIAGNOSIS[graph.partition("-")[0]], size="sm", c="dimmed", className="caption")
    foot = html.Div([caption, downloads(graph)], className="foot")
    return html.Div([html.Div(figure, className="figure"), foot], className="card", **{"data-graph": graph})


def _drawn(graph: str, draw: Draw, path: Path, scheme: str) -> go.Figure:
    try:
        return draw(Run(path), scheme)
    except Exception as error:
        return message("", reason(error, graph), theme_named(scheme))
