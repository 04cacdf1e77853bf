"""The loss by the learning rate of a range test, and the rates that it suggests."""

import math
from textwrap import wrap

import numpy as np
import plotly.graph_objects as go

from ...runs.lr_range_curve import RangeCurve, Suggestion, curve_of_run
from ...runs.run import Run
from .theme import MESSAGE_WIDTH, Theme, blank, message, note, theme_named

TITLE = "Loss by learning rate"

ROOM = 0.15
"""Of the height of the smoothed loss, left above and below it; a raw loss just before the end would flatten it."""


def lr_range(run: Run, theme: str = "light") -> go.Figure:
    """Loss of a range test (`flatline lr-range`) against the learning rate, with the range it suggests."""
    found = curve_of_run(run)
    if found is None:
        text = "The learning rate of this run does not rise from iteration to iteration: it is no range test."
        return message(TITLE, f"{text} `flatline lr-range RECIPE` makes one.", theme_named(theme))
    return lr_range_figure(*found, theme=theme, revision=run.name)


def lr_range_figure(
    rates: np.ndarray,
    losses: np.ndarray,
    curve: RangeCurve,
    suggestion: Suggestion,
    *,
    theme: str = "light",
    revision: str | None = None,
) -> go.Figure:
    """Raw and smoothed loss on a logarithmic axis of rates; shaded is the suggested range.

    rates, losses : (iteration,) of the steps
    curve         : their running mean, up to where the test diverged
    suggestion    : what it says; without a suggestion the figure says why in words
    """
    chosen = theme_named(theme)
    if not len(curve.losses):
        return message(TITLE, "The loss of this test is no number from its first iteration on.", chosen)
    figure = blank(TITLE, chosen, revision)
    figure.add_traces([_raw(rates, losses, chosen), _smoothed(curve, chosen)])
    low, high = float(curve.losses.min()), float(max(curve.first, curve.losses.max()))
    room = ROOM * (high - low) or 1.0
    figure.update_layout(
        hovermode="closest",
        xaxis={"type": "log", "title": {"text": "learning rate"}, "dtick": 1, "exponentformat": "power"},
        yaxis={"title": {"text": "loss"}, "range": [low - room, high + room]},
    )
    _mark(figure, suggestion, chosen)
    _say(figure, suggestion)
    return figure


def _raw(rates: np.ndarray, losses: np.ndarray, theme: Theme) -> go.Scatter:
    return go.Scatter(
        x=np.asarray(rates, dtype=np.float64),
        y=np.where(np.isfinite(losses), losses, np.nan),
        name="each iteration",
        mode="markers",
        marker={"size": 4, "color": theme.muted, "opacity": 0.6},
        hovertemplate="%{y:.4g} at %{x:.3g}<extra>each iteration</extra>",
    )


def _smoothed(curve: RangeCurve, theme: Theme) -> go.Scatter:
    return go.Scatter(
        x=curve.rates,
        y=curve.losses,
        name="smoothed",
        mode="lines",
        line={"color": theme.parts["conv"], "width": 2},
        hovertemplate="%{y:.4g} at %{x:.3g}<extra>smoothed</extra>",
    )


def _say(figure: go.Figure, suggestion: Suggestion) -> None:
    """What the rates rest on; why there are none stands across the figure."""
    if suggestion.falls:
        note(figure, suggestion.why)
        return
    text = "<br>".join(wrap(suggestion.why, MESSAGE_WIDTH))
    figure.add_annotation(text=text, name="note", font_size=14, xref="paper", yref="paper", x=0.5, y=0.5)


def _mark(figure: go.Figure, suggestion: Suggestion, theme: Theme) -> None:
    """The range as a band, the steepest rate and the divergence as lines, each with its number."""
    if suggestion.falls:
        band = {"fillcolor": theme.parts["head"], "opacity": 0.12, "line_width": 0, "layer": "below"}
        figure.add_vrect(x0=suggestion.lowest, x1=suggestion.highest, name="range", **band)
    lines = {"steepest": (suggestion.steepest, theme.parts["head"]), "diverged": (suggestion.diverged, theme.alarm)}
    lines |= {name: (getattr(suggestion, name), theme.muted) for name in ("lowest", "highest")}
    for height, (name, (rate, colour)) in enumerate(lines.items()):
        if not math.isnan(rate):
            figure.add_vline(x=rate, line={"color": colour, "width": 1.4, "dash": "dot"}, name=name)
            place = {
                "x": math.log10(rate),
                "xref": "x",
                "y": 1 - 0.07 * height,
                "yref": "paper",
                "xanchor": "right" if name == "diverged" else "left",
            }
            figure.add_annotation(
                text=f"{name} {rate:.2g}", font_color=colour, xshift=-3 if name == "diverged" else 3, **place
            )
