"""How often each class is on top of a clip's scores, beside how often it is true: single-class collapse."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from ...diagnostics.detectors.single_class import BEYOND_LABELS, ON_TOP
from ...runs.run import Run
from .class_lwlrap import HEIGHT, MOST_BARS, say
from .class_rows import nothing_at, recorded_rows
from .lines import joined
from .theme import Theme, blank, message, theme_named

TITLE = "Predictions and labels by class"

NO_EVALUATION = "This run holds no evaluation with labels: the shares are there after the first one."

NO_SHARES = (
    "The evaluations of this run do not hold which class is on top (class_top): an older Flatline recorded them, or "
    "every score was NaN. Train or evaluate again to see it; top_class_share of the batches is on the Vitals page."
)


def class_shares(run: Run, theme: str = "light", *, iteration: int | None = None) -> go.Figure:
    """Share of the predictions and of the labels by class, of the evaluation at exactly one iteration.

    iteration : None is the newest evaluation; one without it gives a message that names the nearest
    """
    chosen = theme_named(theme)
    positives, top = recorded_rows(run.evaluation_positives), recorded_rows(run.evaluation_top)
    if positives.empty:
        return message(TITLE, NO_EVALUATION, chosen)
    if top.empty:
        return message(TITLE, NO_SHARES, chosen)
    place = int(top.index[-1]) if iteration is None else iteration
    if place not in top.index or place not in positives.index:
        return message(TITLE, nothing_at(place, {"evaluations": top.index}), chosen)
    return class_shares_figure(top.loc[place], positives.loc[place], theme, iteration=place, revision=run.name)


def class_shares_figure(
    top: pd.Series, positives: pd.Series, theme: str = "light", *, iteration: int, revision: str | None = None
) -> go.Figure:
    """Bars of the labels' shares, the commonest class first, and a dot at each class's share of the predictions.

    top       : (class,) share of the clips on which the class has the highest score, by class name
    positives : (class,) clips with the class
    """
    chosen = theme_named(theme)
    title = f"{TITLE}: evaluation at iteration {iteration:,}"
    total = float(positives.sum())
    if not total > 0:
        return message(title, "No clip of that evaluation had a label.", chosen)
    labels = (positives / total).sort_values(ascending=False, kind="stable").iloc[:MOST_BARS]
    drawn = top.reindex(labels.index)
    figure = blank(title, chosen, revision, height=HEIGHT)
    figure.add_trace(_labels(labels, positives, chosen))
    figure.add_traces([_stems(labels, drawn, chosen), _predictions(drawn, chosen)])
    say(figure, *verdict(top, positives / total), chosen)
    below = joined("class, most labels first", f"{len(labels):,} of {len(top):,} classes", _undecided(top))
    figure.update_xaxes(title_text=below, type="category", tickangle=-90, tickfont_size=10, showgrid=False)
    figure.update_xaxes(range=[-0.6, len(labels) - 0.4])
    figure.update_yaxes(title_text="share of predictions, of labels", tickformat=".0%", rangemode="tozero")
    return figure.update_layout(bargap=0.12, hovermode="x unified", legend_itemsizing="constant")


def verdict(top: pd.Series, labels: pd.Series) -> tuple[str, bool]:
    """What the shares of the predictions say, in words, and whether it is alarming.

    The limits are the diagnosis's: `single_class.ON_TOP` of the clips, `BEYOND_LABELS` more than of the labels.
    """
    if not top.max() > 0:
        return "<b>No class is ever on top</b>:<br>the scores of every clip are all equal.", True
    n_on_top, first = int((top > 0).sum()), str(top.idxmax())
    often = f"<b>{first}</b> is on top of <b>{top.max():.0%}</b> of the clips and has {labels[first]:.1%} of the labels"
    few = f"{n_on_top:,} of {len(top):,} classes are ever on top"
    if top.max() > ON_TOP and top.max() > labels[first] + BEYOND_LABELS:
        return f"{often}:<br>one class for nearly every clip.", True
    return f"{few}<br>{often}", False


def _labels(labels: pd.Series, positives: pd.Series, theme: Theme) -> go.Bar:
    return go.Bar(
        x=list(labels.index),
        y=labels.to_numpy(dtype=float),
        customdata=positives.reindex(labels.index).to_numpy(),
        name="share of the labels",
        marker={"color": theme.parts["conv"], "line": {"width": 0}},
        hovertemplate="%{y:.1%} (%{customdata:,.0f} clips)<extra>of the labels</extra>",
    )


def _stems(labels: pd.Series, top: pd.Series, theme: Theme) -> go.Scatter:
    """From a bar's end up to its dot, in one line with gaps."""
    above = top.index[(top > labels).to_numpy()]
    y = np.column_stack([labels[above], top[above], np.full(len(above), np.nan)]).ravel()
    look = {"mode": "lines", "line": {"color": theme.parts["rnn"], "width": 1.5}, "hoverinfo": "skip"}
    return go.Scatter(x=[name for name in above for _ in range(3)], y=y, name="more", showlegend=False, **look)


def _predictions(top: pd.Series, theme: Theme) -> go.Scatter:
    return go.Scatter(
        x=list(top.index),
        y=top.to_numpy(dtype=float),
        name="share of the predictions (clips with the class on top)",
        mode="markers",
        marker={
            "color": theme.parts["rnn"],
            "size": np.where(top > 0, 8, 4),
            "opacity": 1,
            "line": {"width": 1, "color": theme.paper},
        },
        hovertemplate="%{y:.1%}<extra>of the predictions</extra>",
    )


def _undecided(top: pd.Series) -> str:
    """Clips whose scores are all equal, which name no class."""
    missing = 1 - float(top.sum())
    return f"{missing:.0%} of the clips name no class (all scores equal)" if missing > 0.005 else ""
