"""What the outputs say: whether the gradient still carries the labels, and whether clips still differ."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from ...runs.run import Run
from ..tables import column
from .lines import add_level, joined, line, log_axis, points_note, span_of
from .theme import Theme, blank, message, note, theme_named

TITLE = "Output health"

FLOOR = 0.3
"""rho below which the gradient is killed: healthy and plateau runs stay above .54.

Source: ours, measured on collapsed and learning runs; docs/design.md, Thresholds.
"""

AGREEMENT = 0.98
"""Correlation of rankings above which all clips are ranked alike: collapsed >= .996, learning <= .92.

Source: ours, measured on collapsed and learning runs; docs/design.md, Thresholds.
"""


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


def output_health(run: Run, theme: str = "light") -> go.Figure:
    """Output health of a run."""
    return output_health_figure(run.scalars, theme, revision=run.name)


def output_health_figure(scalars: pd.DataFrame, theme: str = "light", *, revision: str | None = None) -> go.Figure:
    """rho, rank agreement and top-class share by iteration, one under the other on a shared axis.

    scalars : iteration x signal; a signal that is absent or all NaN is said to be so in its place
    """
    chosen = theme_named(theme)
    signals = {panel: column(scalars, panel.signal) for panel in PANELS}
    if not any(series.notna().any() for series in signals.values()):
        return message(TITLE, "No output signals were recorded: give the recorder logits or probabilities.", chosen)
    figure = _grid(chosen, revision)
    for row, (panel, series) in enumerate(signals.items(), start=1):
        _draw(figure, panel, series, row, chosen)
    figure.update_xaxes(title_text="iteration", row=len(PANELS), col=1)
    return note(figure, joined(_zeros(signals[PANELS[0]]), points_note(signals.values())))


def _grid(theme: Theme, revision: str | None) -> go.Figure:
    titles = [panel.title for panel in PANELS]
    figure = make_subplots(rows=len(PANELS), cols=1, shared_xaxes=True, vertical_spacing=0.11, subplot_titles=titles)
    figure.update_layout(blank(TITLE, theme, revision).layout)
    figure.update_annotations(x=0, xanchor="left", font={"size": 12, "color": theme.text})
    return figure.update_layout(showlegend=False, margin_t=64)


def _draw(figure: go.Figure, panel: Panel, series: pd.Series, row: int, theme: Theme) -> None:
    ticks = {"type": "log"} if panel.kind == "log" else {"range": panel.limits, "dtick": 0.5}
    figure.update_yaxes({"title": {"text": panel.unit}, **ticks}, row=row, col=1)
    if not series.notna().any():
        _say_missing(figure, panel, row)
        return
    values = series
    if panel.kind == "log":
        values = series.where(series > 0)
        figure.update_yaxes(log_axis([values, pd.Series([panel.level])], room=0.5), row=row, col=1)
    figure.add_trace(line(values, panel.signal, theme.parts[panel.part]), row=row, col=1)
    if panel.label:
        add_level(figure, panel.level, panel.label, theme, span_of(series.index), row=row)
        place = {
            "xref": "paper",
            "x": 1,
            "xanchor": "right",
            "yref": f"y{_axis(row)} domain",
            "y": 1,
            "yanchor": "bottom",
        }
        figure.add_annotation(text=panel.label, **place)


def _axis(row: int) -> str:
    return "" if row == 1 else str(row)


def _say_missing(figure: go.Figure, panel: Panel, row: int) -> None:
    axis = _axis(row)
    place = {"xref": f"x{axis} domain", "yref": f"y{axis} domain", "x": 0.5, "y": 0.5}
    figure.add_annotation(text=f"{panel.signal} was not recorded", **place)


def _zeros(rho: pd.Series) -> str:
    count = int(np.count_nonzero(rho == 0))
    return f"rho is exactly zero, below the axis, at {count:,} iterations" if count else ""
