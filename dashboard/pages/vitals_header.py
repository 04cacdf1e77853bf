"""What stands over a run's figures: what it is, how far it is, how it scores, in words where it scores nothing."""

from typing import Any

import dash_mantine_components as dmc
import numpy as np
import pandas as pd
from dash import html

from ...diagnostics.lwlrap import at_constant_level
from ...runs.damage import damage
from ...runs.run import Run
from ..captions import constant_level_alert, not_finite_alert
from ..newest import Newest, highest, newest_gradient, newest_loss, newest_rows, newest_score
from ..tables import column

SIGNALS = ("loss", "gradient_norm_total", "nonfinite_gradients", "skipped", "learning_rate")

BAD = "var(--flatline-bad)"


def header(run: Run) -> dmc.Stack:
    """The newest numbers of the run, and what they mean where they mean trouble."""
    scalars, evaluations = newest_rows(run, SIGNALS), run.evaluations
    return dmc.Stack([_tiles(run, scalars, evaluations), *_alerts(run, scalars, evaluations)], gap="sm")


def _tiles(run: Run, scalars: pd.DataFrame, evaluations: pd.DataFrame) -> dmc.SimpleGrid:
    tiles = [
        _progress(run),
        *_scores(evaluations),
        _loss(scalars),
        _gradient(scalars, highest(run, "gradient_norm_total")),
        _learning_rate(scalars),
    ]
    return dmc.SimpleGrid(tiles, cols={"base": 2, "xs": 3, "md": 4, "lg": 7}, spacing="sm")


def _progress(run: Run) -> html.Div:
    planned = run.info.get("iterations_planned")
    done = len(run)
    bar = dmc.Progress(value=100 * done / planned if planned else 0, size="sm", mt=6)
    return _tile("Iterations", f"{done:,}", bar if planned else "no end planned", f" of {planned:,}" if planned else "")


def _scores(evaluations: pd.DataFrame) -> list[html.Div]:
    score, chance, constant = newest_score(evaluations), *_levels(evaluations)
    dead = at_constant_level(score.value, chance, constant)
    colour = None if dead is None else BAD if dead else "var(--flatline-good)"
    when = f"at iteration {evaluations.index[-1]:,}" if len(evaluations) else "not evaluated yet"
    return [
        _measured("lwlrap", score, _number(score.value), when, colour),
        _tile("Chance", _number(chance), "a random ranking"),
        _tile("Constant level", _number(constant), "one fixed ranking"),
    ]


def _loss(scalars: pd.DataFrame) -> html.Div:
    loss = newest_loss(scalars)
    return _measured("Loss", loss, _number(loss.value), "not recorded" if np.isnan(loss.value) else "of the last batch")


def _gradient(scalars: pd.DataFrame, peak: float) -> html.Div:
    total = newest_gradient(scalars)
    if np.isnan(total.value):
        return _measured("Gradient norm", total, "–", "not recorded")
    share = f"{total.value / peak:.2%} of its peak" if peak > 0 else ""
    return _measured("Gradient norm", total, f"{total.value:.2e}", share)


def _learning_rate(scalars: pd.DataFrame) -> html.Div:
    rate = _last(scalars, "learning_rate")
    return _tile("Learning rate", "–" if np.isnan(rate) else f"{rate:.3g}", "not recorded" if np.isnan(rate) else "")


def _alerts(run: Run, scalars: pd.DataFrame, evaluations: pd.DataFrame) -> list[dmc.Alert]:
    score, chance, constant = newest_score(evaluations), *_levels(evaluations)
    alerts = []
    if missing := damage(run):
        alerts.append(dmc.Alert(" ".join(missing), title="Part of this run is missing", color="red", id="damaged"))
    elif run.last_iteration is None:
        alerts.append(_nothing_yet(run.status))
    if run.last_iteration is not None and run.status in ("failed", "interrupted"):
        alerts.append(dmc.Alert(_stopped(run), color="red" if run.status == "failed" else "orange", id="run-stopped"))
    since = {
        "loss": newest_loss(scalars).since,
        "gradient": newest_gradient(scalars).since,
        "lwlrap": score.since,
    }
    if lost := {what: iteration for what, iteration in since.items() if iteration is not None}:
        alerts.append(dmc.Alert(not_finite_alert(lost), title="No longer finite", color="red", id="not-finite"))
    if at_constant_level(score.value, chance, constant):
        text = constant_level_alert(score.value, chance, constant)
        alerts.append(dmc.Alert(text, title="At the constant level", color="red", id="constant-level"))
    return alerts


def _nothing_yet(status: str) -> dmc.Alert:
    waiting = "The first iterations appear here by themselves a few seconds after they were made."
    ended = "The run ended before its first iteration was on disk: look for the error where it was started."
    text = waiting if status == "running" else ended
    return dmc.Alert(
        text, title="Nothing recorded yet", color="blue" if status == "running" else "orange", id="nothing-yet"
    )


def _stopped(run: Run) -> str:
    planned = run.info.get("iterations_planned")
    how = {"failed": "failed", "interrupted": "was interrupted"}[run.status]
    goal = f" of {planned:,}" if planned else ""
    return f"This run {how} after {len(run):,} iterations{goal}. What it recorded until then is below."


def _levels(evaluations: pd.DataFrame) -> tuple[float, float]:
    """Chance and constant level: of the clips and their labels, so the last known ones hold."""
    return _last(evaluations, "chance"), _last(evaluations, "constant")


def _last(table: pd.DataFrame, name: str) -> float:
    """The last recorded value; NaN where there is none."""
    recorded = column(table, name).dropna()
    return float(recorded.iloc[-1]) if len(recorded) else float("nan")


def _number(value: float) -> str:
    return "–" if np.isnan(value) else f"{value:.3f}"


def _measured(label: str, newest: Newest, value: str, below: str, colour: str | None = None) -> html.Div:
    """A tile of what can stop being finite, which then stands there as it is, with the iteration it began at."""
    if newest.since is None:
        return _tile(label, value, below, colour=colour)
    lost = "NaN" if np.isnan(newest.value) else f"{newest.value}"
    return _tile(label, lost, f"not finite since iteration {newest.since:,}", colour=BAD)


def _tile(label: str, value: str, below: Any, after: str = "", colour: str | None = None) -> html.Div:
    unit = dmc.Text(after, span=True, size="sm", c="dimmed", fw=400)
    number = dmc.Text([value, unit], fw=700, fz=22, lh=1.25, c=colour or "inherit")  # Mantine throws on c=None
    under = dmc.Text(below, size="xs", c="dimmed") if isinstance(below, str) else below
    return html.Div([dmc.Text(label, size="xs", c="dimmed", fw=600), number, under], className="card tile numbers")
