"""The panels of compared curves: what each shows, where it lies and which scale it has."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from ..tables import column
from .compare_lines import LOSS, RNN, SCORE, TOTAL, VALUE, Curves
from .lines import log_axis
from .theme import Theme

GAP = 0.07
"""Share of the height between two panels."""

ROOM = 0.8
"""How many ticks a logarithmic axis has room for, as a share of a whole figure's: few powers of ten lie in a panel, and
with one tick alone nothing could be read off."""


@dataclass(frozen=True)
class Panel:
    """One quantity and its axis."""

    curve: str
    title: str
    unit: str
    is_log: bool = False


PANELS = (
    Panel(SCORE, "lwlrap of the evaluations", "score"),
    Panel(LOSS, "training loss", "loss", is_log=True),
    Panel(TOTAL, "gradient norm of the whole network", "L2 norm", is_log=True),
    Panel(RNN, "gradient norm of the RNN", "L2 norm", is_log=True),
)


def lay_out(figure: go.Figure, curves: Curves, theme: Theme) -> None:
    """One axis of iterations under panels of the same height, each with its name above it."""
    height = (1 - GAP * (len(PANELS) - 1)) / len(PANELS)
    axes, names = {}, []
    for place, panel in enumerate(PANELS):
        top = 1 - place * (height + GAP)
        axis = f"yaxis{place + 1 if place else ''}"
        axes[axis] = {"domain": [max(0.0, top - height), top], **_axis(panel, curves.get(panel.curve, {}))}
        names.append(annotation(f"<b>{panel.title}</b>", 0, top, theme.text, "left", "bottom", 3))
        if not any(column(table, VALUE).notna().any() for table in curves.get(panel.curve, {}).values()):
            names.append(
                annotation("none of these runs recorded it", 0.5, top - height / 2, theme.muted, "center", "middle", 0)
            )
    bottom = f"y{len(PANELS)}"
    legend = {"orientation": "v", "x": 1.01, "y": 1, "yanchor": "top", "itemwidth": 40, "tracegroupgap": 0}
    figure.update_layout(
        xaxis={"title": {"text": "iteration"}, "anchor": bottom},
        annotations=names,
        hovermode="x unified",
        legend=legend,
        margin={"t": 64},
        **axes,
    )


def annotation(text: str, x: float, y: float, colour: str, xanchor: str, yanchor: str, yshift: int) -> dict:
    """Words at a place of the whole figure, from 0 to 1; `yshift` is in pixels."""
    place = {"xref": "paper", "yref": "paper", "x": x, "y": y, "xanchor": xanchor, "yanchor": yanchor, "yshift": yshift}
    return {"text": text, "font": {"size": 12, "color": colour}, "showarrow": False, **place}


def _axis(panel: Panel, tables: Mapping[str, pd.DataFrame]) -> dict:
    axis = {"title": {"text": panel.unit}, "anchor": "x"}
    if not panel.is_log:
        return {**axis, "rangemode": "tozero"}
    if has_negative(tables):
        return axis
    values = [positive(series) for series in all_series(tables)]
    return {**axis, **log_axis(values, room=ROOM)} if any(v.notna().any() for v in values) else axis


def has_negative(tables: Mapping[str, pd.DataFrame]) -> bool:
    """A loss may be below zero, where no logarithm is."""
    return any(bool((table.to_numpy(dtype=np.float64) < 0).any()) for table in tables.values())


def positive(series: pd.Series) -> pd.Series:
    """What a logarithmic axis has a place for."""
    return series.where((series > 0) & np.isfinite(series))


def has_zero(table: pd.DataFrame) -> bool:
    """Whether a curve is ever exactly zero."""
    return bool((column(table, VALUE) == 0).to_numpy().any())


def all_series(tables: Mapping[str, pd.DataFrame]) -> list[pd.Series]:
    """Values and extremes of all the tables."""
    return [column(table, str(name)) for table in tables.values() for name in table]
