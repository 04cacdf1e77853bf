"""The vital signs of one run: where the gradient lives, loss, score and outputs, growing while it trains."""

from pathlib import Path
from typing import Any

import dash_mantine_components as dmc
from dash import Dash, Input, Output, State, html
from dash.exceptions import PreventUpdate

from ...runs.run import Run
from .. import figures
from ..addresses import parse, run_path
from ..figures.gradient_heatmap import figure_height
from ..judging import Judge
from ..shell import RECORDED, URL
from . import figure_page
from .cards import Card, placed
from .figure_page import reason
from .vitals_header import header

HEADER = "vitals-header"

CARDS = (
    Card("gradient-heatmap", figures.gradient_heatmap, wide=True),
    Card("gradient-lines", figures.gradient_lines),
    Card("loss", figures.loss),
    Card("lwlrap", figures.lwlrap),
    Card("output-health", figures.output_health),
    Card("hidden-gradient-heatmap", figures.hidden_gradient_heatmap),
    Card("update-ratios", figures.update_ratios),
)


def layout(run: Run) -> dmc.Stack:
    """The page, its figures still to come."""
    first, *others = CARDS
    tall = Card(first.graph, first.draw, wide=True, height=figure_height(len(run.parameters)))
    return dmc.Stack([html.Div(id=HEADER), placed((tall, *others))], gap="md")


def register(app: Dash, logs: Path, judge: Judge) -> None:
    """The callbacks of this page: one for the header, one a figure."""

    @app.callback(Output(HEADER, "children"), Input(RECORDED, "data"), State(URL, "pathname"))
    def head(_: str, path: str) -> Any:
        address = parse(path or "/")
        if address is None or address.run is None:
            raise PreventUpdate
        found = run_path(logs, address.run)
        return None if found is None else safe_header(found)

    figure_page.register(app, logs, judge, CARDS)


def safe_header(path: Path) -> Any:
    """The numbers of the run, or why there are none."""
    try:
        return header(Run(path))
    except Exception as error:
        return dmc.Alert(reason(error, path.name), title="This run cannot be read whole", color="red")
