"""Gradient norms over the iterations as lines: the whole network and its parts."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from ...runs.run import Run
from ..tables import column
from .lines import joined, line, log_axis, missing_note, points_note
from .theme import PART_ORDER, Theme, blank, message, note, theme_named

TITLE = "Gradient norm of the network and its parts"

WHOLE = {"gradient_norm_total": "total", "gradient_norm_mean": "mean"}
"""Scalars of the whole network and their names in the figure."""


def gradient_lines(run: Run, theme: str = "light") -> go.Figure:
    """Gradient norms of a run as lines."""
    return gradient_lines_figure(run.scalars, run.gradient_norms, run.parts, theme, revision=run.name)


def gradient_lines_figure(
    scalars: pd.DataFrame,
    norms: pd.DataFrame,
    parts: Mapping[str, str],
    theme: str = "light",
    *,
    revision: str | None = None,
) -> go.Figure:
    """Total, mean and by-part gradient norm on a logarithmic axis.

    scalars : iteration x signal, with gradient_norm_total and gradient_norm_mean where recorded
    norms   : iteration x parameter, L2
    parts   : part of the network by parameter
    """
    chosen = theme_named(theme)
    lines = {name: column(scalars, signal) for signal, name in WHOLE.items()} | part_norms(norms, parts)
    drawn = {name: series for name, series in lines.items() if series.notna().any()}
    if not drawn:
        return message(TITLE, "This run holds no gradient norms.", chosen)
    figure = blank(TITLE, chosen, revision)
    positive = {name: series.where(series > 0) for name, series in drawn.items()}
    for name, series in positive.items():
        figure.add_trace(line(series, name, **_style(name, chosen)))
    figure.update_xaxes(title_text="iteration")
    figure.update_yaxes(title_text="L2 norm", **log_axis(positive.values()))
    figure.update_layout(hovermode="x unified")
    missing = missing_note(name for name in WHOLE.values() if name not in drawn)
    return note(figure, joined(missing, _zeros(drawn), points_note(drawn.values())))


def part_norms(norms: pd.DataFrame, parts: Mapping[str, str]) -> dict[str, pd.Series]:
    """Norm of each part's gradient by iteration: the root of the sum of its parameters' squared norms.

    A parameter without a gradient adds nothing; NaN where none of the part's parameters had one.
    """
    values = norms.to_numpy(dtype=np.float64)
    of_part = np.array([parts.get(name) for name in norms.columns], dtype=object)
    found = {part: values[:, of_part == part] for part in PART_ORDER if (of_part == part).any()}
    return {part: pd.Series(_root_sum_square(columns), index=norms.index) for part, columns in found.items()}


def _root_sum_square(columns: np.ndarray) -> np.ndarray:
    total = np.sqrt(np.nansum(columns**2, axis=1))
    return np.where(np.isnan(columns).all(axis=1), np.nan, total)


def _style(name: str, theme: Theme) -> dict:
    if name == "total":
        return {"colour": theme.text, "width": 2.4}
    if name in WHOLE.values():
        return {"colour": theme.muted, "dash": "dot"}
    return {"colour": theme.parts[name]}


def _zeros(lines: Mapping[str, pd.Series]) -> str:
    """A logarithmic axis has no place for zero: say how many there are."""
    counts = {name: int((series == 0).sum()) for name, series in lines.items()}
    zeros = ", ".join(f"{name} ({count:,} iterations)" for name, count in counts.items() if count)
    return f"exactly zero, below the axis: {zeros}" if zeros else ""
