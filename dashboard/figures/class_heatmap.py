"""lwlrap of every class over the iterations, as colour."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from ...runs.run import Run
from .class_rows import recorded_rows
from .gradient_heatmap import shortened
from .lines import joined
from .marks import Mark, add_marks
from .sampling import COLUMNS
from .theme import HEATMAP_COLOURS, Theme, blank, message, note, theme_named
from .windows import binned_of

TITLE = "lwlrap by class over the iterations"

NOTHING = (
    "This run holds no lwlrap by class: pass logits= or probabilities= and target= to the recorder's step and "
    "evaluation, at level standard or above."
)

TITLES = {
    "evaluations": "lwlrap by class, of the evaluations",
    "batches": "lwlrap by class, of the batches (over 50 iterations)",
}

MOST_NAMES = 80
"""Rows up to which each is named; above, every second, third ... is."""

ROW_PX = 11
"""Pixels of a class's row, until the figure is as high as a screen."""

NAME_LENGTH = 28
"""Characters of a class's name beside its row; the whole name shows on hover."""


def class_heatmap(
    run: Run,
    theme: str = "light",
    *,
    first: int | None = None,
    last: int | None = None,
    marks: Sequence[Mark] = (),
    source: str = "evaluations",
) -> go.Figure:
    """Per-class lwlrap of a run: classes down, iterations across.

    first, last : iterations, both included; None is the run's own
    source : "evaluations", or "batches" for the running lwlrap; a stretch without evaluations has the batches'
    """
    values = evaluations_of(run, first, last) if source == "evaluations" else pd.DataFrame()
    if values.empty:
        values, source = binned_of(run, "running_lwlrap", first, last, by="mean"), "batches"
    return class_heatmap_figure(values, theme, source=source, marks=marks, revision=run.name)


def class_heatmap_figure(
    values: pd.DataFrame,
    theme: str = "light",
    *,
    source: str = "evaluations",
    marks: Sequence[Mark] = (),
    revision: str | None = None,
) -> go.Figure:
    """Per-class lwlrap on a colour scale from 0 to 1, the class that is best at the end at the top.

    values : iteration x class, one column of the figure a row; NaN is no positive clip and stays a gap. `.attrs` may
        say of how many `iterations` (or evaluations), and how many a row is the mean of (`width`)
    """
    chosen = theme_named(theme)
    title = TITLES[source]
    if values.isna().to_numpy().all():
        return message(TITLE, NOTHING, chosen)
    sorted_ = values.loc[:, best_first(values)]
    figure = blank(title, chosen, revision, height=figure_height(values.shape[1]))
    figure.add_trace(_heatmap(sorted_, source))
    _axes(figure, [str(name) for name in sorted_.columns], chosen)
    add_marks(figure, marks, chosen)
    return note(figure, joined(_missing(values), _drawn(values, source)))


def evaluations_of(run: Run, first: int | None, last: int | None, columns: int = COLUMNS) -> pd.DataFrame:
    """Per-class lwlrap of the evaluations between two iterations; of many the means of as many as lie in a bin.

    Returns evaluation (or the first of a bin) x class; `.attrs` has `width`, the evaluations in a bin, `iterations`,
    how many there are. Evaluations without a value are left out.
    """
    table = recorded_rows(run.evaluation_lwlrap).loc[first:last]
    width = max(1, -(-len(table) // columns))
    place = np.arange(len(table)) // width
    values = table if width == 1 else table.groupby(place).mean().set_axis(table.index[::width])
    values.attrs = {"width": width, "iterations": len(table)}
    return values


def best_first(values: pd.DataFrame) -> list[str]:
    """Classes by their newest value, the highest first; those that never had one at the end.

    >>> best_first(pd.DataFrame({"a": [1.0, 0.1], "b": [0.2, 0.5], "c": [np.nan, np.nan], "d": [0.3, np.nan]}))
    ['b', 'd', 'a', 'c']
    """
    return list(values.ffill().iloc[-1].sort_values(ascending=False, kind="stable", na_position="last").index)


def figure_height(rows: int) -> int:
    """Pixels of a heatmap with so many classes."""
    return 130 + int(min(max(rows * ROW_PX, 220), 900))


def _heatmap(values: pd.DataFrame, source: str) -> go.Heatmap:
    width = values.attrs.get("width", 1)
    batches = source == "batches"
    mean = "" if width == 1 else f", mean of {width:,}" if batches else f" and after, mean of {width:,} evaluations"
    return go.Heatmap(
        x=values.index.to_numpy(dtype=np.float64) + ((width - 1) / 2 if batches else 0),
        y=[str(name) for name in values.columns],
        z=values.to_numpy(dtype=np.float32).T,
        name="lwlrap",
        zmin=0,
        zmax=1,
        colorscale=HEATMAP_COLOURS,
        colorbar={
            "outlinewidth": 0,
            "thickness": 12,
            "lenmode": "pixels",
            "len": 200,
            "y": 1,
            "yanchor": "top",
            "title": {"text": "lwlrap", "side": "right"},
        },
        hoverongaps=False,
        hovertemplate=f"<b>%{{y}}</b><br>iteration %{{x:,.0f}}{mean}<br>lwlrap %{{z:.3f}}<extra></extra>",
    )


def _axes(figure: go.Figure, rows: list[str], theme: Theme) -> None:
    named = rows[:: -(-len(rows) // MOST_NAMES)]
    figure.update_xaxes(title_text="iteration", showgrid=False, rangemode="nonnegative")
    figure.update_yaxes(
        title_text="class, best at the end on top",
        type="category",
        range=[len(rows) - 0.5, -0.5],
        tickvals=named,
        ticktext=[shortened(name, NAME_LENGTH) for name in named],
        tickfont={"size": 10},
        showgrid=False,
        ticks="",
        ticklabelstandoff=6,
    )
    figure.update_layout(plot_bgcolor=theme.missing, margin={"t": 56})


def _missing(values: pd.DataFrame) -> str:
    missing = values.isna().to_numpy()
    if not missing.any():
        return ""
    never = int(missing.all(axis=0).sum())
    some = f"grey: no positive clip ({int(missing.any(axis=0).sum()):,} of {values.shape[1]:,} classes"
    return f"{some}, {never:,} never)" if never else f"{some})"


def _drawn(values: pd.DataFrame, source: str) -> str:
    what = "evaluations" if source == "evaluations" else "iterations"
    width, count = values.attrs.get("width", 1), values.attrs.get("iterations", len(values))
    if width == 1:
        return f"{count:,} of {count:,} {what}"
    return f"{len(values):,} of {count:,} {what} (each column the mean of {width:,})"
