"""One look for every figure, light and dark: colours, fonts, axes."""

from dataclasses import dataclass
from textwrap import wrap

import plotly.graph_objects as go

from ...diagnostics.errors import unknown

FONT = "Inter, system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', 'Liberation Sans', Arial, sans-serif"
"""Fonts of the reader's machine; none is fetched."""

PART_ORDER = ("conv", "rnn", "head", "attention", "other")
"""Parts of a network in the order a clip meets them; attention stands last since it reads input or RNN."""

HEIGHT = 400
"""Pixels of a figure, unless its rows ask for more."""

MESSAGE_WIDTH = 64
"""Characters in a line of a message; they fit into half a page of 1,280 pixels."""

HEATMAP_COLOURS = "Viridis"
"""Safe for colour-blind readers, dark is low; it holds no grey, which is kept for what was not recorded."""

VALUES = {"values": "customdata"}
"""`meta` of a heatmap whose colours are logarithms: its values, as a CSV of it has them, are its customdata."""


@dataclass(frozen=True)
class Theme:
    """Colours of one scheme. Those of the parts are from Okabe and Ito's colour-blind-safe set.

    signed : a scale from blue through the neutral colour of zero to red, safe for colour-blind readers (light: RdBu of
        ColorBrewer, its middle made white; dark: its hues, brighter towards the ends)
    """

    name: str
    paper: str
    plot: str
    text: str
    muted: str
    grid: str
    missing: str
    alarm: str
    warning: str
    parts: dict[str, str]
    signed: tuple[tuple[float, str], ...]

    def template(self) -> go.layout.Template:
        """The Plotly template of this scheme."""
        axis = {
            "gridcolor": self.grid,
            "linecolor": self.grid,
            "zeroline": False,
            "ticks": "outside",
            "ticklen": 4,
            "tickcolor": self.grid,
            "automargin": True,
            "title": {"font": {"size": 12, "color": self.muted}, "standoff": 8},
        }
        return go.layout.Template(
            layout={
                "font": {"family": FONT, "size": 12, "color": self.text},
                "title": {"font": {"size": 15, "weight": 600}, "x": 0, "xref": "container", "pad": {"l": 16}},
                "paper_bgcolor": self.paper,
                "plot_bgcolor": self.plot,
                "margin": {"l": 64, "r": 24, "t": 76, "b": 68},
                "xaxis": axis,
                "yaxis": axis,
                "legend": LEGEND,
                "hoverlabel": {"bgcolor": self.paper, "bordercolor": self.grid, "font": {"color": self.text}},
                "annotationdefaults": {"font": {"size": 11, "color": self.muted}, "showarrow": False},
            }
        )


LEGEND = {"orientation": "h", "x": 0, "xanchor": "left", "y": 1, "yanchor": "bottom", "bgcolor": "rgba(0,0,0,0)"}

LIGHT = Theme(
    name="light",
    paper="#ffffff",
    plot="#ffffff",
    text="#1f2430",
    muted="#5f6675",
    grid="#e3e6eb",
    missing="#cfd3da",
    alarm="#c92a2a",
    warning="#b8500a",
    parts={"conv": "#0072b2", "rnn": "#d55e00", "head": "#009e73", "attention": "#b45a93", "other": "#7a7f89"},
    signed=(
        (0.0, "#053061"),
        (0.2, "#2166ac"),
        (0.35, "#4393c3"),
        (0.45, "#b5d7e8"),
        (0.5, "#ffffff"),
        (0.55, "#fbd0bb"),
        (0.65, "#d6604d"),
        (0.8, "#b2182b"),
        (1.0, "#67001f"),
    ),
)

DARK = Theme(
    name="dark",
    paper="#20232a",
    plot="#20232a",
    text="#e6e8ec",
    muted="#a3a9b6",
    grid="#363b45",
    missing="#5a606c",
    alarm="#ff8787",
    warning="#ffa94d",
    parts={"conv": "#56b4e9", "rnn": "#e69f00", "head": "#2cc295", "attention": "#d98fc0", "other": "#a3a9b6"},
    signed=(
        (0.0, "#c6e6ff"),
        (0.2, "#5aaeea"),
        (0.35, "#2f77b4"),
        (0.45, "#26425e"),
        (0.5, "#20232a"),
        (0.55, "#5a3128"),
        (0.65, "#b04a30"),
        (0.8, "#ee7a4e"),
        (1.0, "#ffdcc7"),
    ),
)

THEMES = {"light": LIGHT, "dark": DARK}


def theme_named(name: str) -> Theme:
    """The theme "light" or "dark".

    Raises UnknownNameError for another name.
    """
    if name not in THEMES:
        raise unknown("theme", name, THEMES, "figures")
    return THEMES[name]


def faint(colour: str, share: float) -> str:
    """A colour `#rrggbb` of which a share is seen.

    >>> faint("#ff8000", 0.5)
    'rgba(255,128,0,0.5)'
    """
    red, green, blue = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    return f"rgba({red},{green},{blue},{share:g})"


def blank(title: str, theme: Theme, revision: str | None = None, height: int = HEIGHT) -> go.Figure:
    """An empty figure in the theme.

    revision : a reader's zoom is kept from one figure to the next while this stays the same
    height   : pixels
    """
    heading = {"text": title, "y": 1, "yref": "container", "yanchor": "top", "pad": {"l": 16, "t": 14}}
    return go.Figure(
        layout={"template": theme.template(), "title": heading, "height": height, "uirevision": revision or True}
    )


def message(title: str, text: str, theme: Theme, height: int = HEIGHT) -> go.Figure:
    """A figure that says in words why it shows nothing."""
    figure = blank(title, theme, height=height)
    figure.update_xaxes(visible=False).update_yaxes(visible=False)
    place = {"xref": "paper", "yref": "paper", "x": 0.5, "y": 0.5}
    return figure.add_annotation(text="<br>".join(wrap(text, MESSAGE_WIDTH)), font_size=14, **place)


def note(figure: go.Figure, text: str) -> go.Figure:
    """Say something small under the figure, at the right: how much is drawn, what is missing."""
    place = {"xref": "paper", "yref": "paper", "x": 1, "y": 0, "xanchor": "right", "yanchor": "top", "yshift": -40}
    return figure.add_annotation(text=text, name="note", **place)
