"""The loss over the iterations, between the two levels that a dead network stays at."""

import math

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from ...runs.run import Run
from ..tables import column
from .lines import add_level, joined, label_level, line, log_axis, points_note, span_of
from .theme import blank, message, note, theme_named

TITLE = "Loss"

BINARY = ("bce", "bce-with-logits")
"""Losses for which ln 2 and the label entropy are the levels of a constant predictor."""

MEANING = {"ln 2": "all probabilities ½", "H0": "the label prior"}


def loss(run: Run, theme: str = "light") -> go.Figure:
    """Loss of a run."""
    kind = run.info.get("loss_kind")
    return loss_figure(run.scalars, run.evaluations, loss_kind=kind, theme=theme, revision=run.name)


def loss_figure(
    scalars: pd.DataFrame,
    evaluations: pd.DataFrame,
    *,
    loss_kind: str | None,
    theme: str = "light",
    revision: str | None = None,
) -> go.Figure:
    """Training and evaluation loss in nats, with ln 2 and H0 drawn in where the loss is a binary cross-entropy.

    scalars     : iteration x signal, with loss and label_entropy (H0, nats) where recorded
    evaluations : iteration x score, with loss
    loss_kind   : what the criterion expects; ln 2 and H0 mean nothing for others than the two of BINARY
    """
    chosen = theme_named(theme)
    recorded = {"training": column(scalars, "loss"), "evaluation": column(evaluations, "loss")}
    finite = {name: series.where(np.isfinite(series)) for name, series in recorded.items()}
    drawn = {name: series for name, series in finite.items() if series.notna().any()}
    if not drawn:
        return message(TITLE, "This run holds no loss.", chosen)
    figure = blank(TITLE, chosen, revision)
    levels = _levels(column(scalars, "label_entropy"), loss_kind)
    for name, colour in {"training": chosen.parts["conv"], "evaluation": chosen.parts["rnn"]}.items():
        if name in drawn:
            figure.add_trace(line(drawn[name], name, colour))
    _axes(figure, drawn, levels, loss_kind)
    for label, value in levels.items():
        add_level(figure, value, label, chosen, span_of(max(drawn.values(), key=len).index))
        label_level(figure, value, label, above=label.startswith("ln"))
    absent = [f"no {name} loss" for name in recorded if name not in drawn]
    return note(figure, joined(*absent, _unsaid(levels, loss_kind), _infinite(recorded), points_note(drawn.values())))


def _axes(figure: go.Figure, drawn: dict[str, pd.Series], levels: dict[str, float], loss_kind: str | None) -> None:
    """Logarithmic where it can be: what is learned below H0 is small beside ln 2."""
    figure.update_xaxes(title_text="iteration")
    figure.update_yaxes(title_text="loss / nats" if loss_kind in BINARY else "loss")
    if all((series.dropna() > 0).all() for series in drawn.values()):
        figure.update_yaxes(**log_axis([*drawn.values(), pd.Series(list(levels.values()), dtype=float)]))
    figure.update_layout(hovermode="x unified")


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


def _infinite(recorded: dict[str, pd.Series]) -> str:
    count = sum(int(np.isinf(series).sum()) for series in recorded.values())
    return f"infinite at {count:,} iterations" if count else ""
