"""Parts of line figures: a sampled line, a labelled level, what is drawn of what."""

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from .sampling import sampled
from .theme import Theme

FEW = 60
"""Points up to which a line shows each of them as a dot."""

FLOOR = 0.7
"""Where zeros stand on a logarithmic axis, as a share of its lowest value."""


def line(series: pd.Series, name: str, colour: str, *, width: float = 1.6, dash: str = "solid") -> go.Scatter:
    """One line by iteration, downsampled; SVG, since WebGL takes seconds where no GPU is."""
    drawn = sampled(series)
    return go.Scatter(
        x=drawn.index.to_numpy(dtype=np.float64),
        y=drawn.to_numpy(dtype=np.float32),
        name=name,
        mode="lines+markers" if drawn.notna().sum() <= FEW else "lines",
        line={"color": colour, "width": width, "dash": dash},
        marker={"size": 5},
        hovertemplate="%{y:.3g}<extra>" + name + "</extra>",
    )


def zeros(series: pd.Series, name: str, colour: str, height: float) -> go.Scatter:
    """Where a line is exactly zero, as triangles at the foot of a logarithmic axis, which has no place for it.

    height : on the axis, see `foot`
    """
    drawn = sampled(series.where(series == 0)).dropna()
    return go.Scatter(
        x=drawn.index.to_numpy(dtype=np.float64),
        y=np.full(len(drawn), height, dtype=np.float32),
        name=f"{name} is zero",
        mode="markers",
        showlegend=False,
        marker={"color": colour, "size": 6, "symbol": "triangle-down"},
        hovertemplate=f"exactly 0<extra>{name}</extra>",
    )


def foot(lines: Iterable[pd.Series]) -> float:
    """A height below every positive value of the lines; 1 where there is none."""
    lowest = [float(series.where(series > 0).min()) for series in lines]
    return FLOOR * min((value for value in lowest if value == value), default=1 / FLOOR)


def add_level(
    figure: go.Figure,
    value: float,
    label: str,
    theme: Theme,
    span: tuple[float, float],
    *,
    dash: str = "dash",
    row: int = 1,
) -> None:
    """Draw a level across the figure, as a line that the axes make room for.

    span : first and last iteration
    row  : of the figure's panels, which share one x axis
    """
    x = span if span[1] > span[0] else (span[0] - 0.5, span[0] + 0.5)
    figure.add_trace(
        go.Scatter(
            x=list(x),
            y=[value, value],
            name=label,
            mode="lines",
            showlegend=False,
            line={"color": theme.muted, "width": 1.2, "dash": dash},
            hoverinfo="skip",
            yaxis="y" if row == 1 else f"y{row}",
        )
    )


def label_level(figure: go.Figure, value: float, label: str, *, above: bool) -> None:
    """Name a level at the right end of its line, over or under it, wherever the reader has zoomed."""
    log = figure["layout"]["yaxis"]["type"] == "log"
    figure.add_annotation(
        text=label,
        x=1,
        xref="paper",
        xanchor="right",
        y=math.log10(value) if log else value,
        yref="y",
        yanchor="bottom" if above else "top",
        yshift=3 if above else -3,
    )


def log_axis(lines: Iterable[pd.Series], room: float = 1.0) -> dict[str, Any]:
    """A logarithmic axis with as many ticks as stay readable: powers of ten; 1, 2 and 5 too; or Plotly's own.

    room : height of the axis, as a share of a whole figure's
    """
    values = pd.concat([series.dropna() for series in lines])
    decades = math.log10(values.max() / values.min()) if len(values) and values.min() > 0 else 0.0
    if decades >= 2.5 * room:
        return {"type": "log", "dtick": max(1, round(decades / 8 / room)), "exponentformat": "power"}
    few = {} if decades < 0.5 else {"dtick": "D2"}
    return {"type": "log", "tickformat": "~g", **few}  # with a format, a tick between the powers says its whole value


def span_of(index: pd.Index) -> tuple[float, float]:
    """First and last iteration of a table."""
    return float(index[0]), float(index[-1])


def points_note(series: Iterable[pd.Series], iterations: int | None = None) -> str:
    """How many points are drawn of the longest line: "n of N points".

    iterations : that the series stand for, where they were downsampled before
    """
    held = [values for values in series if values.notna().any()]
    longest = max(held, key=lambda values: int(values.notna().sum()), default=pd.Series(dtype=float))
    drawn = int(sampled(longest).notna().sum())
    of = max(int(longest.notna().sum()), 0 if is_whole(longest.index, iterations) else iterations or 0)
    if drawn == of:
        return f"{drawn:,} of {of:,} points"
    return f"{drawn:,} of {of:,} points a line (every lowest and highest kept)"


def is_whole(index: pd.Index, iterations: int | None) -> bool:
    """Whether a table holds every row as it was recorded.

    iterations : that it stands for; None of a table that was not downsampled
    """
    return iterations is None or len(index) == iterations


def times(count: int, whole: bool) -> str:
    """How often something was: counted in iterations, or in points where these were downsampled."""
    return f"{count:,} iterations" if whole else f"{count:,} of the points drawn"


def missing_note(missing: Iterable[str]) -> str:
    """Which of the signals were not recorded, as a sentence; empty where all were."""
    names = ", ".join(missing)
    return f"not recorded: {names}" if names else ""


def joined(*notes: str) -> str:
    """Notes in one line."""
    return " · ".join(text for text in notes if text)
