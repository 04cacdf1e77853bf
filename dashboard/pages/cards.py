"""A figure's place on a page: the graph, the sentence under it, and what it can be downloaded as."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import dash_mantine_components as dmc
import plotly.graph_objects as go
from dash import dcc, html

from ..captions import CAPTIONS
from ..figures.theme import HEIGHT

CLEAR = "rgba(0,0,0,0)"
HIDDEN = {"visible": False}
WAITING = {"layout": {"paper_bgcolor": CLEAR, "plot_bgcolor": CLEAR, "xaxis": HIDDEN, "yaxis": HIDDEN}}
"""A figure that shows nothing, until the first one is drawn."""

CONFIG = {"displaylogo": False, "responsive": True, "modeBarButtonsToRemove": ["select2d", "lasso2d", "toImage"]}

FORMS = ("PNG", "SVG", "CSV")
"""What a figure can be downloaded as; assets/downloads.js does it."""

ASKED = {
    "first": "zoom",
    "iteration": "iteration",
    "clip": "clip",
    "class_name": "class",
    "map": "map",
    "method": "method",
    "baseline": "baseline",
    "beside": "beside",
    "beside_iteration": "beside_iteration",
    "marks": "marks",
    "summary": "summary",
    "by": "by",
}
"""What of the page a figure depends on, by the keyword its function takes it under."""


@dataclass(frozen=True)
class Card:
    """A graph of a page.

    graph  : its id
    draw   : function of a run (or of several) and the theme; what else it asks for stands in its keywords (ASKED)
    axis   : what lies on its x axis, which a cursor follows
    wide   : it takes the page's whole width
    height : pixels before it is drawn
    """

    graph: str
    draw: Callable[..., go.Figure]
    axis: Literal["iteration", "time", ""] = "iteration"
    wide: bool = False
    height: int = HEIGHT

    @property
    def asks(self) -> frozenset[str]:
        """What of the page it depends on: values of ASKED."""
        return frozenset(ASKED[name] for name in inspect.signature(self.draw).parameters if name in ASKED)


def drawing(graph: str) -> str:
    """Id of the store through which a graph's figure reaches it."""
    return f"{graph}-drawing"


def placed(cards: tuple[Card, ...]) -> dmc.SimpleGrid:
    """The cards of a page, two beside each other where they are not wide."""
    return dmc.SimpleGrid([card_of(card) for card in cards], cols={"base": 1, "lg": 2}, spacing="md", className="cards")


def card_of(card: Card, **more: Any) -> html.Div:
    """A figure's place, as high as the figure will be.

    more : of the place, such as its `id`
    """
    graph = dcc.Graph(id=card.graph, figure=WAITING, config=_config(card.graph), style={"height": f"{card.height}px"})
    return html.Div(
        [dcc.Store(id=drawing(card.graph)), _figure(graph, card), _foot(card.graph)],
        className="card wide" if card.wide else "card",
        **_marked(axis=card.axis, asks=" ".join(sorted(card.asks)), graph=card.graph),
        **more,
    )


def _marked(**data: str) -> dict[str, Any]:
    """Attributes `data-...` of an element, for the scripts and the style of the pages."""
    return {f"data-{name}": value for name, value in data.items()}


def _figure(graph: dcc.Graph, card: Card) -> html.Div:
    """The graph, with what it shows in words for those who cannot see it."""
    spoken: dict[str, Any] = {"role": "figure", "aria-label": CAPTIONS[card.graph]}
    return html.Div(graph, className="figure", **spoken)


def _config(graph: str) -> Any:
    return {**CONFIG, "toImageButtonOptions": {"filename": graph, "scale": 2}}


def _foot(graph: str) -> html.Div:
    caption = dmc.Text(CAPTIONS[graph], size="sm", c="dimmed", className="caption")
    return html.Div([caption, downloads(graph)], className="foot")


def downloads(graph: str) -> html.Div:
    """Buttons that save what the figure shows."""
    buttons = [
        html.Button(
            form,
            className="download",
            title=f"Save this figure as {form}" if form != "CSV" else "Save the points this figure shows as CSV",
            type="button",
            **_marked(graph=graph, form=form.lower()),
        )
        for form in FORMS
    ]
    return html.Div(buttons, className="downloads")
