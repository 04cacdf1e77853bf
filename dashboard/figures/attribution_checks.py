"""What an attribution's order is worth: the output while its cells are taken away, and while they come back."""

from collections.abc import Mapping

import numpy as np
import plotly.graph_objects as go

from ...diagnostics.errors import FlatlineError
from ...runs.attribution_store import ARRAYS, Stored
from ...runs.run import Run
from ..chosen import choose
from .lines import joined
from .theme import Theme, blank, faint, message, note, theme_named

TITLE = "Deletion and insertion"

NOT_KEPT = "No attribution is kept of this."

NO_CURVES = "The curves of this attribution were not computed."

WAYS = {"deletion": ("conv", "taken away"), "insertion": ("rnn", "brought back")}
"""Colour and words of each curve."""


def attribution_checks(
    run: Run,
    theme: str = "light",
    *,
    iteration: int | None = None,
    clip: str | None = None,
    class_name: str | None = None,
    method: str | None = None,
    baseline: str | None = None,
) -> go.Figure:
    """The output while a clip's most positive cells are taken away, and while they come back, beside random orders.

    iteration, clip, class_name, method, baseline : as `attribution_map`
    """
    try:
        chosen = choose(run, iteration=iteration, clip=clip, class_name=class_name, method=method, baseline=baseline)
        if chosen.stored is None:
            return message(TITLE, NOT_KEPT, theme_named(theme))
        arrays = chosen.stored.arrays()
        return attribution_checks_figure(arrays, theme, stored=chosen.stored, revision=f"{run.name} checks")
    except FlatlineError as error:
        return message(TITLE, str(error), theme_named(theme))


def attribution_checks_figure(
    curves: Mapping[str, np.ndarray],
    theme: str = "light",
    *,
    stored: Stored | None = None,
    revision: str | None = None,
) -> go.Figure:
    """Two curves with the random orders behind them, each as wide as they spread.

    curves : `fraction`, `deletion`, `insertion` (point,), `random_deletion`, `random_insertion` (order, point)
    stored : what is known of the attribution
    """
    chosen = theme_named(theme)
    if any(name not in curves for name in ARRAYS):
        return message(TITLE, NO_CURVES, chosen)
    figure = blank(_title(stored), chosen, revision)
    fraction = 100 * np.asarray(curves["fraction"], dtype=float)
    for way in WAYS:
        _add_band(figure, fraction, curves[f"random_{way}"], way, chosen)
    for way in WAYS:
        _add_curve(figure, fraction, curves[way], way, chosen)
    unit = "" if stored is None else f" ({stored.of})"
    figure.update_xaxes(title_text="changed, the most positive first (% of the clip)", range=[0, 100])
    figure.update_yaxes(title_text=f"output{unit}")
    figure.update_layout(legend_traceorder="normal", margin_t=96)
    return note(figure, "thin: five random orders, lowest to highest")


def _add_band(figure: go.Figure, fraction: np.ndarray, orders: np.ndarray, way: str, theme: Theme) -> None:
    colour, words = theme.parts[WAYS[way][0]], WAYS[way][1]
    mean = orders.mean(axis=0)
    for edge, fill in ((orders.min(axis=0), None), (orders.max(axis=0), "tonexty")):
        figure.add_trace(
            go.Scatter(
                x=fraction,
                y=edge.astype(np.float32),
                name=f"{words}, random order",
                mode="lines",
                line={"color": colour, "width": 0},
                fill=fill,
                fillcolor=faint(colour, 0.15),
                showlegend=False,
                hoverinfo="skip",
            )
        )
    figure.add_trace(
        go.Scatter(
            x=fraction,
            y=mean.astype(np.float32),
            name=f"{words}, at random",
            mode="lines",
            line={"color": colour, "width": 1.2, "dash": "dot"},
            hovertemplate="%{y:.3g}<extra>" + words + ", mean of random orders</extra>",
        )
    )


def _add_curve(figure: go.Figure, fraction: np.ndarray, curve: np.ndarray, way: str, theme: Theme) -> None:
    colour, words = theme.parts[WAYS[way][0]], WAYS[way][1]
    figure.add_trace(
        go.Scatter(
            x=fraction,
            y=curve.astype(np.float32),
            name=f"{words}",
            mode="lines+markers",
            line={"color": colour, "width": 2.2},
            marker={"size": 5},
            hovertemplate="%{y:.3g}<extra>" + words + "</extra>",
        )
    )


def _title(stored: Stored | None) -> str:
    if stored is None:
        return TITLE
    return joined(TITLE, stored.class_name, stored.method)
