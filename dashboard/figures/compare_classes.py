"""lwlrap of each class in several runs, at one evaluation: what one run learned and another did not."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from ...runs.comparing import last_common
from ...runs.run import Run
from ..tables import column
from .class_rows import neighbours, recorded_rows
from .groups import Style, labelled, styles
from .lines import joined
from .theme import Theme, blank, message, note, theme_named

TITLE = "lwlrap by class, side by side"

MOST = 8
"""Runs in the figure, at most: as many as there are symbols."""

MARKED = 0.1
"""Difference of lwlrap from which a class is marked; ours."""

ROW_PX, AROUND_PX, LEAST_PX = 16, 140, 260
"""Pixels of a class, of what stands around the rows, and of a figure of few classes."""


def compare_classes(runs: Sequence[Run], theme: str = "light", *, iteration: int | None = None) -> go.Figure:
    """Per-class lwlrap of the first MOST of the runs, at one evaluation that all of them have.

    iteration : of the evaluation; None is the last that they have in common
    """
    members = {label: group[0] for label, group in labelled(runs).items()}
    drawn = dict(list(members.items())[:MOST])
    tables = {label: recorded_rows(run.evaluation_lwlrap) for label, run in drawn.items()}
    without = [label for label, table in tables.items() if not len(table)]
    if len(without) == len(drawn):
        return message(TITLE, "No lwlrap by class was recorded at any evaluation of these runs.", theme_named(theme))
    tables = {label: table for label, table in tables.items() if len(table)}
    at = last_common([table.index for table in tables.values()]) if iteration is None else iteration
    if at is None:
        words = "These runs have no evaluation at the same iteration: train them with the same evaluate_every."
        return message(TITLE, words, theme_named(theme))
    missing = [label for label, table in tables.items() if at not in table.index]
    if missing:
        return message(TITLE, _nothing_at(at, missing, tables), theme_named(theme))
    left_out = joined(
        f"{len(members) - MOST} more runs left out" if len(members) > MOST else "",
        f"no lwlrap by class: {', '.join(without)}" if without else "",
    )
    scores = pd.DataFrame({label: table.loc[at] for label, table in tables.items()})
    revision = ",".join(drawn)
    return compare_classes_figure(scores, theme, iteration=at, said=left_out, revision=revision)


def compare_classes_figure(
    scores: pd.DataFrame, theme: str = "light", *, iteration: int, said: str = "", revision: str | None = None
) -> go.Figure:
    """A row a class, a mark a run, a line from the lowest to the highest; what differs most stands at the top.

    scores    : class x run, lwlrap; NaN where the evaluation had no clip of the class
    iteration : of the evaluation
    said      : to be told under the figure
    """
    chosen = theme_named(theme)
    held = scores.dropna(how="all")
    if held.empty:
        return message(TITLE, f"No class has a score at iteration {iteration:,}.", chosen)
    differences = _differences(held)
    ordered = held.loc[differences.index]
    height = max(LEAST_PX, AROUND_PX + ROW_PX * len(ordered))
    figure = blank(f"{TITLE}, at iteration {iteration:,}", chosen, revision, height=height)
    looks = styles([str(label) for label in ordered.columns], chosen)
    dots = [_dots(column(ordered, label), look) for label, look in looks.items()]
    figure.add_traces([*_spans(ordered, differences, chosen), *dots, _numbers(differences, chosen)])
    _lay_out(figure, [str(name) for name in ordered.index])
    unscored, marked = len(scores) - len(held), int((differences >= MARKED).to_numpy().sum())
    differ = f"{marked} of {len(held)} classes differ by {MARKED:g} or more"
    return note(figure, joined(said, differ, f"{unscored} without a score left out" if unscored else ""))


def _differences(scores: pd.DataFrame) -> pd.Series:
    """Highest less lowest by class, the largest first; NaN, and last, for a class that only one run has a score of."""
    values = scores.to_numpy(dtype=np.float64)
    spread = np.nanmax(values, axis=1) - np.nanmin(values, axis=1)
    known = np.where((~np.isnan(values)).sum(axis=1) > 1, spread, np.nan)
    return pd.Series(known, index=scores.index).sort_values(ascending=False, na_position="last", kind="stable")


def _spans(scores: pd.DataFrame, differences: pd.Series, theme: Theme) -> list[go.Scatter]:
    """Lines from the lowest to the highest of each class, broad where they differ and thin where they do not."""
    values = scores.to_numpy(dtype=np.float64)
    ends = np.stack([np.nanmin(values, axis=1), np.nanmax(values, axis=1), np.full(len(values), np.nan)], axis=1)
    names = np.repeat([str(name) for name in scores.index], 3).reshape(-1, 3)
    is_marked = (differences >= MARKED).to_numpy()
    kinds = {"differs": (is_marked, theme.missing, 5), "alike": (~is_marked, theme.grid, 2)}
    return [
        go.Scatter(
            x=ends[chosen].ravel(),
            y=names[chosen].ravel().tolist(),
            name=name,
            mode="lines",
            line={"color": colour, "width": width},
            hoverinfo="skip",
            showlegend=False,
        )
        for name, (chosen, colour, width) in kinds.items()
    ]


def _dots(scores: pd.Series, look: Style) -> go.Scatter:
    return go.Scatter(
        x=scores.to_numpy(dtype=np.float64),
        y=[str(name) for name in scores.index],
        name=look.label,
        mode="markers",
        marker={"color": look.colour, "symbol": look.symbol, "size": 9, "opacity": 0.9},
        hovertemplate="<b>%{y}</b><br>lwlrap %{x:.3f}<extra>" + look.label + "</extra>",
    )


def _numbers(differences: pd.Series, theme: Theme) -> go.Scatter:
    """The differences in figures, at the right end of their rows."""
    values = differences.to_numpy(dtype=np.float64)
    return go.Scatter(
        x=np.full(len(values), 1.04),
        y=[str(name) for name in differences.index],
        name="difference",
        mode="text",
        text=["–" if np.isnan(value) else f"{value:.2f}" for value in values],
        textposition="middle right",
        textfont={"size": 11, "color": [theme.text if value >= MARKED else theme.muted for value in values]},
        hoverinfo="skip",
        showlegend=False,
    )


def _lay_out(figure: go.Figure, names: Sequence[str]) -> None:
    figure.update_layout(
        xaxis={
            "title": {"text": "lwlrap (1 is perfect)"},
            "range": [-0.02, 1.12],
            "tickvals": [0, 0.2, 0.4, 0.6, 0.8, 1],
        },
        yaxis={
            "type": "category",
            "range": [len(names) - 0.4, -0.6],
            "tickvals": list(names),
            "tickfont": {"size": 11},
            "ticks": "",
            "ticklabelstandoff": 6,
        },
        legend={"orientation": "v", "x": 1.01, "y": 1, "yanchor": "top"},
        margin={"t": 64},
    )
    place = {"xref": "x", "x": 1.04, "yref": "paper", "y": 1, "xanchor": "left", "yanchor": "bottom", "yshift": 3}
    figure.add_annotation(text="difference", **place)


def _nothing_at(iteration: int, missing: Sequence[str], tables: Mapping[str, pd.DataFrame]) -> str:
    common = set.intersection(*(set(table.index.tolist()) for table in tables.values()))
    near = " and ".join(f"{place:,}" for place in neighbours(common, iteration))
    beside = f"all runs have one at {near}" if near else "there is none at which all have one"
    return f"No evaluation at iteration {iteration:,} in {', '.join(missing)}; {beside}."
