"""The vital signs of one run: where the gradient lives, loss, score and outputs, growing while it trains."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dash_mantine_components as dmc
import plotly.graph_objects as go
from dash import ClientsideFunction, Dash, Input, Output, State, dcc, html, no_update
from dash.exceptions import PreventUpdate

from ...runs.listing import recorded_mark
from ...runs.run import Run
from .. import figures
from ..addresses import parse, run_path
from ..captions import CAPTIONS
from ..figures.gradient_heatmap import figure_height
from ..figures.theme import HEIGHT, message, theme_named
from ..shell import SCHEME, URL
from . import unknown
from .vitals_header import header, status_of

PULSE = "vitals-pulse"
RECORDED = "vitals-recorded"
HEADER = "vitals-header"

INTERVAL_MS = 2000

CLEAR = "rgba(0,0,0,0)"
HIDDEN = {"visible": False}
WAITING = {"layout": {"paper_bgcolor": CLEAR, "plot_bgcolor": CLEAR, "xaxis": HIDDEN, "yaxis": HIDDEN}}
"""A figure that shows nothing, until the first one is drawn."""

FIGURES: dict[str, Callable[[Run, str], go.Figure]] = {
    "gradient-heatmap": figures.gradient_heatmap,
    "gradient-lines": figures.gradient_lines,
    "loss": figures.loss,
    "lwlrap": figures.lwlrap,
    "output-health": figures.output_health,
}
"""Figures by graph id, in the order of the page; the first has the page's whole width."""

CONFIG = {"displaylogo": False, "responsive": True, "modeBarButtonsToRemove": ["select2d", "lasso2d"]}


def layout(logs: Path, name: str | None) -> Any:
    """The page of one run, its figures still to come."""
    path = run_path(logs, name)
    if path is None:
        return unknown.run_layout(logs, name)
    try:
        return _page(Run(path))
    except Exception as error:
        return unknown.unreadable_layout(path.name, _reason(error, path.name))


def register(app: Dash, logs: Path) -> None:
    """The callbacks of this page: one that asks what is new, one for the header, one a figure."""

    @app.callback(
        Output(RECORDED, "data"),
        Output(PULSE, "disabled"),
        Input(PULSE, "n_intervals"),
        State(RECORDED, "data"),
        State(URL, "pathname"),
        prevent_initial_call=True,
    )
    def ask(_: int, seen: str, path: str) -> tuple[Any, bool]:
        return news(run_at(logs, path), seen)

    @app.callback(
        Output(HEADER, "children"), Input(RECORDED, "data"), State(URL, "pathname"), prevent_initial_call=True
    )
    def head(_: str, path: str) -> Any:
        return safe_header(run_at(logs, path))

    for graph_id in FIGURES:
        _register_figure(app, logs, graph_id)


def run_at(logs: Path, path: str) -> Path:
    """The folder of the run whose page is at an address; raises PreventUpdate on a page of no run."""
    address = parse(path)
    if address is None or not address.run:
        raise PreventUpdate
    return run_path(logs, address.run) or logs / ".gone"


def news(path: Path, seen: str | None) -> tuple[Any, bool]:
    """The mark of what is recorded, if it is not the one that was seen; and whether nothing more will come."""
    mark = recorded_mark(path)
    return (no_update if mark == seen else mark), status_of(path) != "running"


def drawn(graph_id: str, path: Path, scheme: str) -> go.Figure:
    """A figure of the run, or one that says why it cannot be drawn: one bad file must not take down the page."""
    try:
        return FIGURES[graph_id](Run(path), scheme)
    except Exception as error:
        return message("", _reason(error, graph_id), theme_named(scheme))


def safe_header(path: Path) -> Any:
    """The header of the run, or why there is none."""
    try:
        return header(Run(path))
    except Exception as error:
        reason = dmc.Alert(_reason(error, path.name), title="This run cannot be read whole", color="red")
        return dmc.Stack([dmc.Title(path.name, order=2, style={"overflowWrap": "anywhere"}), reason], gap="sm")


def _register_figure(app: Dash, logs: Path, graph_id: str) -> None:
    """The server draws, the browser puts the reader's zoom on what it shows."""

    @app.callback(
        Output(drawing(graph_id), "data"), Input(RECORDED, "data"), Input(SCHEME, "data"), State(URL, "pathname")
    )
    def draw(_: str, scheme: str | None, path: str) -> go.Figure:
        if scheme is None:  # the browser has not said yet; it will
            raise PreventUpdate
        return drawn(graph_id, run_at(logs, path), scheme)

    app.clientside_callback(
        ClientsideFunction("flatline", "keep_view"),
        Output(graph_id, "figure"),
        Input(drawing(graph_id), "data"),
        State(graph_id, "id"),
        prevent_initial_call=True,
    )


def drawing(graph_id: str) -> str:
    """Id of the store through which a graph's figure reaches it."""
    return f"{graph_id}-drawing"


def _reason(error: Exception, what: str) -> str:
    """What the page says; the traceback goes to the log, lest a fault of the program pass for an unreadable file."""
    logging.getLogger(__name__).error("%s cannot be shown", what, exc_info=error)
    return str(error) or type(error).__name__


def _page(run: Run) -> dmc.Stack:
    first, *others = FIGURES
    return dmc.Stack(
        [
            dcc.Interval(id=PULSE, interval=INTERVAL_MS, disabled=run.status != "running"),
            dcc.Store(id=RECORDED, data=recorded_mark(run.path)),
            html.Div(safe_header(run.path), id=HEADER),
            _card(first, figure_height(len(run.parameters))),
            dmc.SimpleGrid([_card(graph_id, HEIGHT) for graph_id in others], cols={"base": 1, "lg": 2}, spacing="md"),
        ],
        gap="md",
    )


def _card(graph_id: str, height: int) -> html.Div:
    """A figure's place, `height` pixels high before it comes, with its caption."""
    config: Any = {**CONFIG, "toImageButtonOptions": {"filename": graph_id, "scale": 2}}
    graph = dcc.Graph(id=graph_id, figure=WAITING, config=config, style={"height": f"{height}px"})
    caption = dmc.Text(CAPTIONS[graph_id], size="sm", c="dimmed", className="caption")
    return html.Div([dcc.Store(id=drawing(graph_id)), html.Div(graph, className="figure"), caption], className="card")
