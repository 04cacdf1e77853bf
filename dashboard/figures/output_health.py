"""What the outputs say: whether the gradient still carries the labels, and whether clips still differ."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from ...runs.run import Run
from ..tables import column
from .lines import add_level, is_whole, joined, line, log_axis, points_note, span_of, times
from .marks import Mark, add_marks
from .theme import Theme, blank, message, note, theme_named
from .windows import lines_of

TITLE = "Output health"

FLOOR = 0.3
"""rho below which the gradient is killed: healthy and plateau runs stay above .54.

Source: ours, measured on collapsed and learning runs; docs/design.md, Thresholds.
"""

AGREEMENT = 0.98
"""Correlation of rankings above which all clips are ranked alike: collapsed >= .996, learning <= .92.

Source: ours, measured on collapsed and learning runs; docs/design.md, Thresholds.
"""

GAP = 0.11
"""Between the panels, as a share of the plotting area's height; their titles stand there."""

TITLE_PX = 16
TITLE_PLACE = {"xref": "paper", "yref": "paper", "xanchor": "left", "yanchor": "bottom"}


@dataclass(frozen=True)
class Panel:
    """One signal, its axis and its level."""

    signal: str
    title: str
    unit: str
    part: str
    kind: str = "linear"
    limits: tuple[float, float] | None = None
    level: float = float("nan")
    label: str = ""


PANELS = (
    Panel(
        "rho",
        "rho: gradient over the label-noise floor",
        "ratio",
        "conv",
        "log",
        level=FLOOR,
        label="- - killed below 0.3",
    ),
    Panel(
        "rank_agreement",
        "rank agreement of the clips",
        "correlation",
        "rnn",
        limits=(-0.05, 1.05),
        level=AGREEMENT,
        label="- - one ranking for all above 0.98",
    ),
    Panel("top_class_share", "share of clips with the same class on top", "share", "head", limits=(-0.05, 1.05)),
)


def output_health(
    run: Run, theme: str = "light", *, first: int | None = None, last: int | None = None, marks: Sequence[Mark] = ()
) -> go.Figure:
    """Output health of a run from iteration `first` to `last`."""
    scalars = lines_of(run, [panel.signal for panel in PANELS], first, last)
    return output_health_figure(scalars, theme, revision=run.name, marks=marks)


def output_health_figure(
    scalars: pd.DataFrame, theme: str = "light", *, revision: str | None = None, marks: Sequence[Mark] = ()
) -> go.Figure:
    """rho, rank agreement and top-class share by iteration, one under the other on a shared axis.

    scalars : iteration x signal; a signal that is absent or all NaN is said to be so in its place
    """
    chosen = theme_named(theme)
    signals = {panel: column(scalars, panel.signal) for panel in PANELS}
    if not any(series.notna().any() for series in signals.values()):
        return message(TITLE, "No output signals were recorded: give the recorder logits or probabilities.", chosen)
    figure = blank(TITLE, chosen, revision)
    _grid(figure, chosen)
    for row, (panel, series) in enumerate(signals.items(), start=1):
        _draw(figure, panel, series, row, chosen)
    iterations = scalars.attrs.get("iterations")
    zeros = _zeros(signals[PANELS[0]], is_whole(scalars.index, iterations))
    note(figure, joined(zeros, points_note(signals.values(), iterations)))
    return add_marks(figure, marks, chosen, above_px=TITLE_PX)


def _grid(figure: go.Figure, theme: Theme) -> None:
    """One x axis, under the lowest panel, and an axis and a title for each."""
    height = (1 - GAP * (len(PANELS) - 1)) / len(PANELS)
    tops = [1 - row * (height + GAP) for row in range(len(PANELS))]
    axes = {
        f"yaxis{_axis(row)}": {"domain": [max(top - height, 0), top], "anchor": "x", "title": {"text": panel.unit}}
        for row, (panel, top) in enumerate(zip(PANELS, tops, strict=True), start=1)
    }
    titles = [
        {"text": panel.title, "x": 0, "y": top, "font": {"size": 12, "color": theme.text}, **TITLE_PLACE}
        for panel, top in zip(PANELS, tops, strict=True)
    ]
    layout = {
        **axes,
        "annotations": titles,
        "xaxis": {"title": {"text": "iteration"}, "anchor": f"y{_axis(len(PANELS))}"},
        "showlegend": False,
        "hovermode": "x unified",
        "hoversubplots": "axis",
        "margin": {"t": 64},
    }
    figure.update_layout(layout)


def _draw(figure: go.Figure, panel: Panel, series: pd.Series, row: int, theme: Theme) -> None:
    ticks = {"type": "log"} if panel.kind == "log" else {"range": panel.limits, "dtick": 0.5}
    axis = f"yaxis{_axis(row)}"
    figure.layout[axis].update(ticks)
    if not series.notna().any():
        _say_missing(figure, panel, row)
        return
    values = series
    if panel.kind == "log":
        values = series.where(series > 0)
        figure.layout[axis].update(log_axis([values, pd.Series([panel.level])], room=0.5))
    figure.add_traces([line(values, panel.signal, theme.parts[panel.part]).update(yaxis=f"y{_axis(row)}")])
    if panel.label:
        add_level(figure, panel.level, panel.label, theme, span_of(series.index), row=row)
        place = {**TITLE_PLACE, "x": 1, "xanchor": "right", "yref": f"y{_axis(row)} domain", "y": 1}
        figure.add_annotation(text=panel.label, **place)


def _axis(row: int) -> str:
    return "" if row == 1 else str(row)


def _say_missing(figure: go.Figure, panel: Panel, row: int) -> None:
    place = {"xref": "x domain", "yref": f"y{_axis(row)} domain", "x": 0.5, "y": 0.5}
    figure.add_annotation(text=f"{panel.signal} was not recorded", **place)


def _zeros(rho: pd.Series, whole: bool) -> str:
    count = int(np.count_nonzero(rho == 0))
    return f"rho is exactly zero, below the axis, at {times(count, whole)}" if count else ""
