"""What every page of figures does: one callback a figure, from what the page asks for to what is drawn."""

import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
from dash import ClientsideFunction, Dash, Input, Output, State
from dash.exceptions import PreventUpdate

from ...diagnostics.errors import FlatlineError
from ...runs.run import Run
from ..addresses import Address, parse, run_folder, run_path
from ..figures.marks import marks_of
from ..figures.theme import message, theme_named
from ..judging import Judge
from ..open_runs import OpenRuns
from ..shell import AT, CHOICES, RECORDED, SCHEME, URL, ZOOM
from .cards import ASKED, Card, drawing
from .cursor import newest_iteration

LOGGER = logging.getLogger(__name__)

INPUTS = {
    "zoom": Input(ZOOM, "data"),
    "iteration": Input(AT, "data"),
    **{name: Input(name, "value") for name in CHOICES},
}
"""Where what a figure asks for stands; marks and groups come with the address and with what is recorded."""


def register(app: Dash, logs: Path, judge: Judge, cards: Sequence[Card]) -> None:
    """The callbacks of a page's figures."""
    opened = app.server.extensions.setdefault("flatline-runs", OpenRuns())
    for rank, card in enumerate(cards):
        _register(app, partial(drawn, card, logs, judge, opened=opened, rank=rank), card)


def _register(app: Dash, drawn_of: Callable[[Address, dict[str, Any], str], go.Figure], card: Card) -> None:
    """The server draws, the browser puts the reader's view on what it shows."""
    inputs = {name: place for name, place in INPUTS.items() if name in card.asks}

    @app.callback(
        Output(drawing(card.graph), "data"),
        inputs={
            "scheme": Input(SCHEME, "data"),
            "_": Input(RECORDED, "data"),
            "asked": inputs,
            "path": State(URL, "pathname"),
            "search": State(URL, "search"),
        },
    )
    def draw(scheme: str | None, _: str, asked: dict[str, Any], path: str, search: str | None) -> go.Figure:
        address = parse(path or "/", search)
        if scheme is None or address is None or not address.names:  # the browser has not said yet; it will
            raise PreventUpdate
        return drawn_of(address, asked, scheme)

    app.clientside_callback(
        ClientsideFunction("flatline", "keep_view"),
        Output(card.graph, "figure"),
        Input(drawing(card.graph), "data"),
        State(card.graph, "id"),
        State(ZOOM, "data"),
        prevent_initial_call=True,
    )
    if card.axis == "iteration":
        app.clientside_callback(
            ClientsideFunction("flatline", "zoomed"), Input(card.graph, "relayoutData"), State(ZOOM, "data")
        )


def drawn(
    card: Card,
    logs: Path,
    judge: Judge,
    address: Address,
    asked: Mapping[str, Any],
    scheme: str = "light",
    *,
    opened: OpenRuns | None = None,
    rank: int = 0,
) -> go.Figure:
    """A card's figure, or one that says why it cannot be drawn: one bad file must not take down the page.

    asked  : values by what a card asks for (`zoom` is [first, last] or None)
    opened : the runs that are open already; None opens them for this figure alone
    rank   : of the figures that wait for a run the one with the lowest is drawn next
    """
    try:
        paths = run_folders_of(logs, address)
        with (opened or OpenRuns()).lent(paths, rank) as runs:
            given = partial(card.draw, runs if address.page == "compare" else runs[0], scheme)
            return given(**_keywords(card, runs, judge, address, asked))
    except Exception as error:
        return message("", reason(error, card.graph), theme_named(scheme))


def run_folders_of(logs: Path, address: Address) -> list[Path]:
    """The folders of a page's runs; of a comparison those that are there, since the bar says which are not.

    Raises RunError for a run that is not there, and for a comparison of which none is.
    """
    if address.page == "compare":
        there = [path for path in (run_path(logs, name) for name in address.names) if path is not None]
        if there:
            return there
    return [run_folder(logs, name) for name in address.names]


def _keywords(
    card: Card, runs: Sequence[Run], judge: Judge, address: Address, asked: Mapping[str, Any]
) -> dict[str, Any]:
    keywords: dict[str, Any] = {}
    if "zoom" in card.asks:
        keywords |= dict(zip(("first", "last"), asked.get("zoom") or (None, None), strict=True))
    if "iteration" in card.asks:
        at = asked.get("iteration")
        keywords["iteration"] = newest_iteration(runs) if at is None else int(at)
    if "marks" in card.asks:
        summary = judge.summary(runs[0].path)
        keywords["marks"] = marks_of(summary["diagnosis"]["findings"]) if summary and "diagnosis" in summary else ()
    if "summary" in card.asks:
        keywords["summary"] = judge.summary(runs[0].path)
    if "by" in card.asks:
        keywords["by"] = address.by
    names = {keyword: name for keyword, name in ASKED.items() if name in CHOICES and name in card.asks}
    return keywords | {keyword: asked.get(name) or None for keyword, name in names.items()}


def reason(error: Exception, what: str) -> str:
    """What the page says; the traceback of a fault of the program goes to the log, lest it pass for one of the run."""
    if isinstance(error, FlatlineError):  # it says itself what is wrong
        LOGGER.info("%s cannot be shown: %s", what, error)
    else:
        LOGGER.error("%s cannot be shown", what, exc_info=error)
    return str(error) or type(error).__name__
