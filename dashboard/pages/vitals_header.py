"""What stands over a run's figures: what it is, how far it is, how it scores, in words where it scores nothing."""

from pathlib import Path
from typing import Any

import dash_mantine_components as dmc
import numpy as np
import pandas as pd
from dash import html

from ...diagnostics.lwlrap import at_constant_level
from ...runs.run import Run
from ..captions import constant_level_alert
from ..tables import column

STATE_COLOURS = {"running": "blue", "finished": "teal", "interrupted": "orange", "failed": "red"}


def status_of(path: Path) -> str:
    """The run's status; "gone" where it cannot be read any more."""
    try:
        return Run(path).status
    except Exception:
        return "gone"


def header(run: Run) -> dmc.Stack:
    """Name, state and make of the run, its numbers, and what they mean where they mean trouble."""
    scalars, evaluations = run.scalars, run.evaluations
    return dmc.Stack([_heading(run), _tiles(run, scalars, evaluations), *_alerts(run, evaluations)], gap="sm")


def _heading(run: Run) -> dmc.Group:
    status = run.status
    badge = dmc.Badge(
        status, color=STATE_COLOURS.get(status, "gray"), size="lg", variant="light", tt="none", id="run-state"
    )
    model = run.recipe.get("model", {})
    make = {
        "architecture": model.get("architecture"),
        "head": model.get("head"),
        "loss": run.info.get("loss_kind"),
        "seed": run.recipe.get("seed"),
    }
    known = [
        dmc.Text([f"{what} ", html.B(str(value))], size="sm", c="dimmed")
        for what, value in make.items()
        if value is not None
    ]
    return dmc.Group(
        [dmc.Title(run.name, order=2, style={"overflowWrap": "anywhere"}), badge, *known], gap="md", align="center"
    )


def _tiles(run: Run, scalars: pd.DataFrame, evaluations: pd.DataFrame) -> dmc.SimpleGrid:
    tiles = [_progress(run), *_scores(evaluations), _loss(scalars), _gradient(scalars), _learning_rate(scalars)]
    return dmc.SimpleGrid(tiles, cols={"base": 3, "md": 4, "lg": 7}, spacing="sm")


def _progress(run: Run) -> html.Div:
    planned = run.info.get("iterations_planned")
    done = len(run)
    bar = dmc.Progress(value=100 * done / planned if planned else 0, size="sm", mt=6)
    return _tile("Iterations", f"{done:,}", bar if planned else "no end planned", f" of {planned:,}" if planned else "")


def _scores(evaluations: pd.DataFrame) -> list[html.Div]:
    score, chance, constant = (_last(evaluations, name) for name in ("lwlrap", "chance", "constant"))
    dead = at_constant_level(score, chance, constant)
    colour = None if dead is None else "var(--flatline-bad)" if dead else "var(--flatline-good)"
    when = f"at iteration {evaluations.index[-1]:,}" if len(evaluations) else "not evaluated yet"
    return [
        _tile("lwlrap", _number(score), when, colour=colour),
        _tile("Chance", _number(chance), "a random ranking"),
        _tile("Constant level", _number(constant), "one fixed ranking"),
    ]


def _loss(scalars: pd.DataFrame) -> html.Div:
    return _tile("Loss", _number(_last(scalars, "loss")), "of the last batch")


def _gradient(scalars: pd.DataFrame) -> html.Div:
    total = column(scalars, "gradient_norm_total").dropna()
    if total.empty:
        return _tile("Gradient norm", "–", "not recorded")
    share = total.iloc[-1] / total.max() if total.max() > 0 else np.nan
    return _tile("Gradient norm", f"{total.iloc[-1]:.2e}", f"{share:.2%} of its peak" if np.isfinite(share) else "")


def _learning_rate(scalars: pd.DataFrame) -> html.Div:
    rate = _last(scalars, "learning_rate")
    return _tile("Learning rate", "–" if np.isnan(rate) else f"{rate:.3g}", "not recorded" if np.isnan(rate) else "")


def _alerts(run: Run, evaluations: pd.DataFrame) -> list[dmc.Alert]:
    score, chance, constant = (_last(evaluations, name) for name in ("lwlrap", "chance", "constant"))
    alerts = []
    if run.last_iteration is None:
        alerts.append(_nothing_yet(run.status))
    elif run.status in ("failed", "interrupted"):
        alerts.append(dmc.Alert(_stopped(run), color=STATE_COLOURS[run.status], id="run-stopped"))
    if at_constant_level(score, chance, constant):
        text = constant_level_alert(score, chance, constant)
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


def _last(table: pd.DataFrame, name: str) -> float:
    """The last recorded value; NaN where there is none."""
    recorded = column(table, name).dropna()
    return float(recorded.iloc[-1]) if len(recorded) else float("nan")


def _number(value: float) -> str:
    return "–" if np.isnan(value) else f"{value:.3f}"


def _tile(label: str, value: str, below: Any, after: str = "", colour: str | None = None) -> html.Div:
    unit = dmc.Text(after, span=True, size="sm", c="dimmed", fw=400)
    number = dmc.Text([value, unit], fw=700, fz=22, lh=1.25, c=colour or "inherit")  # Mantine throws on c=None
    under = dmc.Text(below, size="xs", c="dimmed") if isinstance(below, str) else below
    return html.Div([dmc.Text(label, size="xs", c="dimmed", fw=600), number, under], className="card tile numbers")
