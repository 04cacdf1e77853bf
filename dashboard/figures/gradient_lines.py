"""Gradient norms over the iterations as lines: the whole network and its parts."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from ...runs.run import Run
from ..tables import column
from .lines import foot, is_whole, joined, line, log_axis, missing_note, points_note, times, zeros
from .marks import Mark, add_marks
from .theme import PART_ORDER, Theme, blank, message, note, theme_named
from .windows import entry_lines_of, lines_of

TITLE = "Gradient norm of the network and its parts"

WHOLE = {"gradient_norm_total": "total", "gradient_norm_mean": "mean"}
"""Scalars of the whole network and their names in the figure."""


def gradient_lines(
    run: Run, theme: str = "light", *, first: int | None = None, last: int | None = None, marks: Sequence[Mark] = ()
) -> go.Figure:
    """Gradient norms of a run from iteration `first` to `last` as lines.

    Of a long stretch a part's line runs between bounds on its norm: in each bin the root of the sum of its parameters'
    lowest norms squared, and that of their highest. The norm lay between; a parameter without a gradient in some of a
    bin's iterations counts as if it had one in all.
    """
    scalars, norms = lines_of(run, list(WHOLE), first, last), entry_lines_of(run, "gradient_norm", first, last)
    return gradient_lines_figure(scalars, norms, run.parts, theme, revision=run.name, marks=marks)


def gradient_lines_figure(
    scalars: pd.DataFrame,
    norms: pd.DataFrame,
    parts: Mapping[str, str],
    theme: str = "light",
    *,
    revision: str | None = None,
    marks: Sequence[Mark] = (),
) -> go.Figure:
    """Total, mean and by-part gradient norm on a logarithmic axis, zeros as triangles at its foot.

    scalars : iteration x signal, with gradient_norm_total and gradient_norm_mean where recorded
    norms   : iteration x parameter, L2; or the lowest and the highest of bins, one after the other
    parts   : part of the network by parameter
    """
    chosen = theme_named(theme)
    lines = {name: column(scalars, signal) for signal, name in WHOLE.items()} | part_norms(norms, parts)
    drawn = {name: series for name, series in lines.items() if series.notna().any()}
    if not drawn:
        return message(TITLE, "This run holds no gradient norms.", chosen)
    figure = blank(TITLE, chosen, revision)
    figure.add_traces(_traces(drawn, chosen))
    positive = [series.where(series > 0) for series in drawn.values()]
    figure.update_layout(
        hovermode="x unified",
        xaxis_title_text="iteration",
        yaxis={"title": {"text": "L2 norm"}, **log_axis(positive)},
    )
    missing = missing_note(name for name in WHOLE.values() if name not in drawn)
    iterations = scalars.attrs.get("iterations") or norms.attrs.get("iterations")
    whole = is_whole(max(drawn.values(), key=len).index, iterations)
    bounds = "" if whole else "parts: between bounds on their norm"
    note(figure, joined(missing, _zeros(drawn, whole), bounds, points_note(drawn.values(), iterations)))
    return add_marks(figure, marks, chosen)


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


def _traces(drawn: Mapping[str, pd.Series], theme: Theme) -> list[go.Scatter]:
    """A line each, and its zeros where there are any."""
    height = foot(drawn.values())
    lines = [line(series.where(series > 0), name, **_style(name, theme)) for name, series in drawn.items()]
    return lines + [
        zeros(series, name, _style(name, theme)["colour"], height)
        for name, series in drawn.items()
        if (series == 0).any()
    ]


def _style(name: str, theme: Theme) -> dict:
    if name == "total":
        return {"colour": theme.text, "width": 2.4}
    if name in WHOLE.values():
        return {"colour": theme.muted, "dash": "dot"}
    return {"colour": theme.parts[name]}


def _zeros(lines: Mapping[str, pd.Series], whole: bool) -> str:
    """A logarithmic axis has no place for zero: say how many there are."""
    counts = {name: int((series == 0).sum()) for name, series in lines.items()}
    said = ", ".join(f"{name} ({times(count, whole)})" for name, count in counts.items() if count)
    return f"exactly zero, ▼ below the axis: {said}" if said else ""
