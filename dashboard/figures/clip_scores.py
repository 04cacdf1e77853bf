"""What the model says of a pinned clip at one evaluation."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from ...diagnostics.errors import FlatlineError
from ...runs.kept_clips import clip_scores as scores_of
from ...runs.run import Run
from .clip_panels import shortened
from .lines import joined
from .localisation_map import kept_or_why, nearest_text, order
from .theme import blank, message, note, theme_named

TITLE = "Scores of the clip"

BARS = 15
"""Classes drawn, at most: those that score highest, and every true one."""

BAR_PX = 20

UNITS = {"logits": "score (logit; 0 is even odds)", "probabilities": "score (probability)"}


def clip_scores(
    run: Run,
    theme: str = "light",
    *,
    clip: str | None = None,
    iteration: int | None = None,
    class_name: str | None = None,
) -> go.Figure:
    """The scores of a pinned clip, of exactly that evaluation.

    clip : None is the first pinned one
    iteration : None is the newest evaluation
    """
    chosen = theme_named(theme)
    clip = next(iter(run.info.get("clips") or []), None) if clip is None else clip
    if clip is None:
        return message(
            TITLE, "This run has no pinned clip: Recorder(pinned={name: clip}) scores some each time.", chosen
        )
    try:
        table = scores_of(run, clip).dropna(how="all")
        kept, _ = kept_or_why(run, clip)
    except FlatlineError as error:
        return message(TITLE, str(error), chosen)
    if iteration is None and len(table):
        iteration = int(table.index[-1])
    if iteration not in table.index:
        return message(TITLE, nearest_text(table.index.to_numpy(), iteration, "score of this clip"), chosen)
    return clip_scores_figure(
        table.loc[iteration],
        None if kept is None else kept.labels,
        theme,
        output_kind=run.info.get("output_kind"),
        clip=clip,
        iteration=iteration,
        class_name=class_name,
        revision=f"{run.name}/{clip}",
    )


def clip_scores_figure(
    scores: pd.Series,
    labels: Sequence[str] | None,
    theme: str = "light",
    *,
    output_kind: str | None = None,
    clip: str = "",
    iteration: int | None = None,
    class_name: str | None = None,
    revision: str | None = None,
) -> go.Figure:
    """A bar a class, the highest score at the top, true labels in their own colour with their rank.

    scores : by class
    labels : the true ones; None where they are not known
    output_kind : "logits" or "probabilities"; None where the run does not say
    """
    chosen = theme_named(theme)
    known = scores.dropna().astype(float)
    if known.empty:
        return message(TITLE, "The scores of this clip are NaN at that evaluation.", chosen)
    known.index = known.index.astype(str)
    ranked = known.sort_values(ascending=False, kind="stable")
    names = order(list(known.index), labels, class_name, known, [], BARS)
    shown = ranked.loc[[name for name in ranked.index if name in names]]
    true = [name in (labels or ()) for name in shown.index]
    title = f"{TITLE} {clip}" + ("" if iteration is None else f" · iteration {iteration:,}")
    figure = blank(title, chosen, revision, height=150 + BAR_PX * len(shown))
    rank = {str(name): place + 1 for place, name in enumerate(ranked.index)}
    low, high = span_of_bars(shown, output_kind)
    for is_true, name, colour in ((True, "true label", "rnn"), (False, "other class", "other")):
        of_kind = [place for place, flag in enumerate(true) if flag == is_true]
        if of_kind:
            bars = _bars(shown, of_kind, rank, name if labels is not None else "class", low)
            figure.add_trace(bars.update(marker_color=chosen.parts[colour]))
    unit = UNITS.get(output_kind or "", "score (logits or probabilities: not recorded)")
    figure.update_xaxes(title_text=unit, range=[low, high])
    if output_kind == "logits" and low < 0 < high:
        figure.add_vline(x=0, line={"color": chosen.text, "width": 1, "dash": "dot"}, name="even odds")
    figure.update_yaxes(
        range=[len(shown) - 0.4, -0.6],
        tickvals=list(range(len(shown))),
        ticktext=[_tick(name, flag, name == class_name) for name, flag in zip(shown.index, true, strict=True)],
        showgrid=False,
        ticks="",
    )
    figure.update_layout(bargap=0.25, showlegend=labels is not None)
    unknown_labels = "" if labels is not None else "which labels are true is not kept by this run"
    bad = f"{scores.isna().sum()} scores are NaN" if scores.isna().any() else ""
    return note(figure, joined(unknown_labels, bad, f"{len(shown)} of {len(scores)} classes"))


def span_of_bars(shown: pd.Series, output_kind: str | None) -> tuple[float, float]:
    """Where bars begin and the axis ends: probabilities from 0; logits, which have no zero of their own, below all.

    The longest bar is the highest score either way.
    """
    low, high = float(shown.min()), float(shown.max())
    room = (high - min(low, 0.0) if output_kind == "probabilities" else high - low) or 1.0
    low = min(low, 0.0) if output_kind == "probabilities" else low - 0.08 * room
    return low, high + 0.32 * room  # the text at a bar's end


def _bars(shown: pd.Series, places: Sequence[int], rank: dict[str, int], name: str, base: float) -> go.Bar:
    values = shown.to_numpy(dtype=float)[list(places)]
    names = [str(shown.index[place]) for place in places]
    return go.Bar(
        x=values - base,
        base=base,
        y=np.asarray(places),
        orientation="h",
        name=name,
        text=[f"{value:.3g} · rank {rank[label]}" for value, label in zip(values, names, strict=True)],
        textposition="outside",
        textfont={"size": 11},
        customdata=[[label, value] for label, value in zip(names, values.tolist(), strict=True)],
        hovertemplate="<b>%{customdata[0]}</b><br>%{customdata[1]:.4g}<extra></extra>",
    )


def _tick(name: str, is_true: bool, is_asked: bool) -> str:
    text = f"<b>● {shortened(name)}</b>" if is_true else shortened(name)
    return f"▸ <u>{text}</u>" if is_asked else text
