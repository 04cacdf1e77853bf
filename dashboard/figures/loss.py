"""The loss over the iterations, between the two levels that a dead network stays at."""

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from ...runs.run import Run
from ..tables import column
from .lines import add_level, is_whole, joined, label_level, line, log_axis, points_note, span_of, times
from .marks import Mark, add_marks
from .theme import blank, message, note, theme_named
from .windows import around, lines_of, span_of_run

TITLE = "Loss"

BINARY = ("bce", "bce-with-logits")
"""Losses for which ln 2 and the label entropy are the levels of a constant predictor."""

MEANING = {"ln 2": "all probabilities ½", "H0": "the label prior"}


def loss(
    run: Run, theme: str = "light", *, first: int | None = None, last: int | None = None, marks: Sequence[Mark] = ()
) -> go.Figure:
    """Loss of a run from iteration `first` to `last`, and of the evaluations there and on either side."""
    scalars = lines_of(run, ["loss", "label_entropy"], first, last)
    whole = scalars if first is None and last is None else lines_of(run, ["label_entropy"])
    entropy = column(whole, "label_entropy").dropna()
    scalars["label_entropy"] = float(entropy.iloc[-1]) if len(entropy) else math.nan  # the run's, whatever the zoom
    evaluations = around(run.evaluations, first, last)
    drawn = {"loss_kind": run.info.get("loss_kind"), "theme": theme, "revision": run.name, "marks": marks}
    return loss_figure(scalars, evaluations, span=span_of_run(run, first, last), **drawn)


def loss_figure(
    scalars: pd.DataFrame,
    evaluations: pd.DataFrame,
    *,
    loss_kind: str | None,
    theme: str = "light",
    span: tuple[float, float] | None = None,
    revision: str | None = None,
    marks: Sequence[Mark] = (),
) -> go.Figure:
    """Training and evaluation loss in nats, with ln 2 and H0 drawn in where the loss is a binary cross-entropy.

    scalars     : iteration x signal, with loss and label_entropy (H0, nats) where recorded
    evaluations : iteration x score, with loss
    loss_kind   : what the criterion expects; ln 2 and H0 mean nothing for others than the two of BINARY
    span        : first and last iteration of the axis; None is those of the longer of the lines
    """
    chosen = theme_named(theme)
    recorded = {"training": column(scalars, "loss"), "evaluation": column(evaluations, "loss")}
    finite = {name: series.where(np.isfinite(series)) for name, series in recorded.items()}
    drawn = {name: series for name, series in finite.items() if series.notna().any()}
    if not drawn:
        return message(TITLE, "This run holds no loss.", chosen)
    figure = blank(TITLE, chosen, revision)
    levels = _levels(column(scalars, "label_entropy"), loss_kind)
    colours = {"training": chosen.parts["conv"], "evaluation": chosen.parts["rnn"]}
    figure.add_traces([line(series, name, colours[name]) for name, series in drawn.items()])
    _axes(figure, drawn, levels, loss_kind)
    span = span or span_of(max(drawn.values(), key=len).index)
    for label, value in levels.items():
        add_level(figure, value, label, chosen, span)
        label_level(figure, value, label, above=label.startswith("ln"))
    absent = [f"no {name} loss" for name in recorded if name not in drawn]
    iterations = scalars.attrs.get("iterations")
    infinite = _infinite(recorded, is_whole(scalars.index, iterations))
    points = points_note([drawn["training"]], iterations) if "training" in drawn else points_note(drawn.values())
    note(figure, joined(*absent, _unsaid(levels, loss_kind), infinite, points))
    return add_marks(figure, marks, chosen, span=span)


def _axes(figure: go.Figure, drawn: dict[str, pd.Series], levels: dict[str, float], loss_kind: str | None) -> None:
    """Logarithmic where it can be: what is learned below H0 is small beside ln 2."""
    scale = {}
    if all((series.dropna() > 0).all() for series in drawn.values()):
        scale = log_axis([*drawn.values(), pd.Series(list(levels.values()), dtype=float)])
    figure.update_layout(
        hovermode="x unified",
        xaxis_title_text="iteration",
        yaxis={"title": {"text": "loss / nats" if loss_kind in BINARY else "loss"}, **scale},
    )


def _levels(entropy: pd.Series, loss_kind: str | None) -> dict[str, float]:
    """Labels and values of the levels; H0 is the last recorded, since that is the one of the most labels."""
    if loss_kind not in BINARY:
        return {}
    known = entropy.dropna()
    found = {"ln 2": math.log(2), "H0": float(known.iloc[-1]) if len(known) else math.nan}
    return {f"{name} = {value:.3f} ({MEANING[name]})": value for name, value in found.items() if value > 0}


def _unsaid(levels: dict[str, float], loss_kind: str | None) -> str:
    if loss_kind is None:
        return "ln 2 and H0 not drawn: the run does not say its loss"
    if loss_kind not in BINARY:
        return f"ln 2 and H0 do not apply to {loss_kind}"
    return "H0 not recorded" if len(levels) < 2 else ""


def _infinite(recorded: dict[str, pd.Series], whole: bool) -> str:
    count = sum(int(np.isinf(series).sum()) for series in recorded.values())
    return f"infinite at {times(count, whole)}" if count else ""
