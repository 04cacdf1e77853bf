"""Runs or groups of runs over the same iterations: score, loss, and gradient norms, one panel under the other."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from ...runs.run import Run
from ..tables import column
from .compare_lines import HIGHEST, LOSS, LOWEST, RNN, SCORE, TOTAL, VALUE, Curves, curves_of
from .compare_panels import PANELS, Panel, all_series, annotation, has_negative, has_zero, lay_out, positive
from .groups import Style, labelled, of_groups, styles
from .lines import add_level, foot, is_whole, joined, line, points_note, zeros
from .lwlrap import DASHES, last_levels
from .theme import Theme, blank, message, note, theme_named

TITLE = "Runs side by side"

HEIGHT = 760
"""Pixels."""

MOST = 16
"""Lines in a panel, at most; of more runs the rest is left out, and said."""

DASH_WORDS = {"dot": "···", "dash": "- -"}

SAME_LEVEL = 5e-4
"""How far apart chance (or the constant level) may lie in two runs and still be drawn as one line: what shows."""


def compare_curves(
    runs: Sequence[Run],
    theme: str = "light",
    *,
    first: int | None = None,
    last: int | None = None,
    by: str | None = None,
) -> go.Figure:
    """Score, loss and gradient norms of runs from iteration `first` to `last`.

    by : what runs are put together by, see `runs.comparing.groups`; None draws each
    Raises UnknownNameError for a key that no run has.
    """
    members = labelled(runs, by)
    left_out = len(members) - MOST
    drawn = dict(list(members.items())[:MOST])
    levels = common_levels([run.evaluations for group in drawn.values() for run in group])
    said = joined(
        f"{left_out} more left out: put runs together to see all" if left_out > 0 else "",
        "line: median of a group's runs, band: lowest to highest, where all of them recorded"
        if of_groups(drawn)
        else "",
    )
    revision = ",".join([by or "", *drawn])
    return compare_curves_figure(curves_of(drawn, first, last), theme, levels=levels, said=said, revision=revision)


def compare_curves_figure(
    curves: Curves,
    theme: str = "light",
    *,
    levels: Mapping[str, float] | None = None,
    said: str = "",
    revision: str | None = None,
) -> go.Figure:
    """Panels on one axis of iterations; a run has the same colour and dash in each.

    curves : iteration x (value, and lowest and highest where it stands for several runs), by curve and label, see
        `compare_lines.curves_of`
    levels : chance and constant level (NaN: the runs differ in it), drawn into the panel of the score
    said   : to be told under the figure
    """
    chosen = theme_named(theme)
    tables = [table for by_label in curves.values() for table in by_label.values()]
    if not any(column(table, VALUE).notna().any() for table in tables):
        return message(TITLE, "None of these runs holds a score, a loss or a gradient norm.", chosen)
    labels = list(dict.fromkeys(label for by_label in curves.values() for label in by_label))
    looks = styles(labels, chosen)
    figure = blank(TITLE, chosen, revision, height=HEIGHT)
    lay_out(figure, curves, chosen)
    each = [
        _traces(panel, curves.get(panel.curve, {}), looks, "y" if place == 1 else f"y{place}")
        for place, panel in enumerate(PANELS, start=1)
    ]
    figure.add_traces(_named_once([trace for traces in each for trace in traces]))
    _draw_levels(figure, levels or {}, curves.get(SCORE, {}), chosen)
    return note(figure, joined(said, _zeros(curves), _points(curves)))


def common_levels(evaluations: Sequence[pd.DataFrame]) -> dict[str, float]:
    """Chance and constant level that all runs which have one agree on; NaN where they differ, left out without any."""
    each = [last_levels(table) for table in evaluations]
    known = {name: [levels[name] for levels in each if name in levels] for name in DASHES}
    return {name: values[0] if np.ptp(values) <= SAME_LEVEL else math.nan for name, values in known.items() if values}


def _traces(
    panel: Panel, tables: Mapping[str, pd.DataFrame], looks: Mapping[str, Style], axis: str
) -> list[go.Scatter]:
    """Bands first, under all the lines."""
    drawn = {label: table for label, table in tables.items() if column(table, VALUE).notna().any()}
    is_log = panel.is_log and not has_negative(drawn)
    floor = foot(all_series(drawn)) if is_log else -np.inf
    traces = [_band(table, looks[label], floor) for label, table in drawn.items() if LOWEST in table]
    for label, table in drawn.items():
        look, series = looks[label], column(table, VALUE)
        seen = positive(series) if is_log else series.where(np.isfinite(series))
        traces.append(line(seen, label, look.colour, dash=look.dash, width=2).update(legendgroup=label))
        if is_log and has_zero(table):
            traces.append(zeros(series, label, look.colour, floor).update(legendgroup=label))
    return [trace.update(yaxis=axis) for trace in traces]


def _band(table: pd.DataFrame, look: Style, floor: float) -> go.Scatter:
    """The area between the lowest and the highest run; on a logarithmic axis it ends where the zeros stand."""
    x = table.index.to_numpy(dtype=np.float64)
    low, high = (np.maximum(table[name].to_numpy(dtype=np.float64), floor) for name in (LOWEST, HIGHEST))
    return go.Scatter(
        x=np.concatenate([x, x[::-1]]),
        y=np.concatenate([high, low[::-1]]).astype(np.float32),
        name=f"{look.label}, lowest to highest",
        mode="lines",
        line={"width": 1, "color": _see_through(look.colour, 0.5), "dash": look.dash},
        fill="toself",
        fillcolor=_see_through(look.colour, 0.18),
        hoverinfo="skip",
        showlegend=False,
        legendgroup=look.label,
    )


def _see_through(colour: str, opacity: float) -> str:
    red, green, blue = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    return f"rgba({red},{green},{blue},{opacity})"


def _named_once(traces: Sequence[go.Scatter]) -> list[go.Scatter]:
    """Each label stands in the legend for the first of its lines."""
    named: set[str] = set()
    for trace in traces:
        if trace["showlegend"] is not False:
            name = str(trace["name"])
            trace.update(showlegend=name not in named)
            named.add(name)
    return list(traces)


def _draw_levels(
    figure: go.Figure, levels: Mapping[str, float], scores: Mapping[str, pd.DataFrame], theme: Theme
) -> None:
    """Chance and the constant level over the span of the scores, named in one line above the panel's right end."""
    ends = [end for table in scores.values() if len(table) for end in (table.index[0], table.index[-1])]
    if not ends:
        return
    told = []
    for name, value in levels.items():
        what = "chance" if name == "chance" else "constant level"
        if math.isnan(value):
            told.append(f"{what} differs, not drawn")
            continue
        told.append(f"{DASH_WORDS[DASHES[name]]} {what} {value:.3f}")
        add_level(figure, value, what, theme, (min(ends), max(ends)), dash=DASHES[name])
    figure.add_annotation(annotation("   ".join(told), 1, 1, theme.muted, "right", "bottom", 3))


def _zeros(curves: Curves) -> str:
    held = {
        label
        for by_label in (curves.get(TOTAL, {}), curves.get(RNN, {}))
        for label, table in by_label.items()
        if has_zero(table)
    }
    return f"exactly zero, ▼ below the axis: {', '.join(sorted(held))}" if held else ""


def _points(curves: Curves) -> str:
    tables = list(curves.get(LOSS, {}).values()) or list(curves.get(TOTAL, {}).values())
    longest = max(
        tables, key=lambda table: table.attrs.get("iterations", len(table)), default=pd.DataFrame({VALUE: []})
    )
    iterations = longest.attrs.get("iterations")
    bounds = (
        ""
        if is_whole(longest.index, iterations)
        else "of each bin: mean, lowest to highest (RNN: at least, and bounds)"
    )
    return joined(bounds, points_note([column(longest, VALUE)], iterations))
