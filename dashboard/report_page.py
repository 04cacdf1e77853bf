"""The page of a report around its figures: contents, cards, style and scripts, all of it in one file."""

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib.resources import files

import plotly
from plotly.offline import get_plotlyjs

from .markup import Markup, element, together
from .report_figures import Figure
from .report_pieces import Piece, packed

FORMS = ("PNG", "SVG", "CSV")

TOO_LARGE = "left out, or this page would be too large; write a report of fewer runs, or open the dashboard"
"""Why a piece is not in a page."""

NO_SCRIPT = "The figures of this page need JavaScript; its words and tables do not."

PLOTLY_LICENCE = "\nplotly.js (copyright Plotly, Inc., MIT licence) as of plotly.py {}, packed\n"


def page(title: str, contents: Markup, body: Iterable[Markup], last: str) -> str:
    """The whole page, which asks no other place for anything.

    last : the line at its foot
    """
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("link", rel="icon", href="data:,"),
        element("title", title),
        element("style", Markup(asset("report.css"))),
    )
    content = element(
        "body",
        element("h1", title),
        element("noscript", element("p", NO_SCRIPT, class_="alert")),
        contents,
        *body,
        element("p", last, class_="dimmed"),
        packed_plotly(),
        *(element("script", Markup(asset(name))) for name in ("downloads.js", "report.js")),
        class_="report",
    )
    return f"<!doctype html>\n{element('html', head, content, lang='en')}\n"


@cache
def packed_plotly() -> Markup:
    """plotly.js, packed to less than half; report.js unpacks it."""
    licence = Markup(f"<!--{PLOTLY_LICENCE.format(plotly.__version__)}-->")
    return together([licence, element("script", Markup(packed(get_plotlyjs())), id="plotly-packed", type="text/plain")])


def asset(name: str) -> str:
    """A file of the dashboard's, as it may stand within a page."""
    return files("flatline.dashboard").joinpath("assets", name).read_text(encoding="utf-8").replace("</", "<\\/")


def contents(entries: Sequence[tuple[str, Markup]]) -> Markup:
    """Links to the sections. entries : id of the section, and what the link says"""
    items = [element("li", element("a", said, href=f"#{place}")) for place, said in entries]
    return element(
        "nav", element("span", "In this page:", class_="label"), element("ul", *items), class_="contents card pad"
    )


def cards(heading: str, place: str, parts: Iterable[Markup | None]) -> Markup:
    """Figures, and what else stands among them, under a heading."""
    return together([element("h3", heading, id=place), element("div", *parts, class_="figures")])


def card(figure: Figure, kept: Mapping[str, Piece]) -> Markup:
    """A figure with its sentence and downloads; the words alone where it shows nothing, or the page has no room."""
    classes = f"card{' wide' if figure.wide else ''}"
    piece = None if figure.piece is None else kept.get(figure.key)
    if piece is None:
        words = figure.words if figure.piece is None else TOO_LARGE
        return element("div", element("p", element("b", figure.title), f": {words}", class_="nothing"), class_=classes)
    plot = element("div", id=figure.key, class_="plot", style=f"height:{figure.height:.0f}px")
    caption = element("p", figure.caption, class_="caption")
    foot = element("div", caption, downloads(figure.key), class_="foot")
    stored = element("script", Markup(piece.text), id=f"{figure.key}-packed", type="text/plain")
    return element("div", plot, foot, stored, class_=classes)


def downloads(graph: str) -> Markup:
    """Buttons that save a figure; assets/downloads.js does it."""
    buttons = [
        element("button", form, class_="download", type="button", data_graph=graph, data_form=form.lower())
        for form in FORMS
    ]
    return element("div", *buttons, class_="downloads")
