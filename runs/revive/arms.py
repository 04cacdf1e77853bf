"""An arm of a trial: what was changed, its run, and where that stands."""

import math
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ...diagnostics.diagnosis import Diagnosis
from ...diagnostics.lwlrap import at_constant_level
from ..diagnosing import diagnose
from ..read_once import ReadOnce
from ..run import Run
from ..standing import rnn_share_of
from ..until import Until

UNCHANGED = "unchanged"

RECENT = 50
"""Newest iterations whose gradient norms are compared, as the finding `bypassed-recurrence` does."""


@dataclass(frozen=True)
class Standing:
    """Where an arm stands at an iteration; what is not known is NaN.

    lwlrap, chance, constant : of the evaluation at `iterations`
    gradient_ratio : of the RNN's mean gradient norm to the head's, median of the newest RECENT iterations
    rnn_share : of the score above the constant level that the RNNs carry, by the newest ablation
    """

    iterations: int
    lwlrap: float
    chance: float
    constant: float
    gradient_ratio: float
    rnn_share: float
    diagnosis: Diagnosis

    @property
    def learnt(self) -> bool:
        """Whether the score lies above the constant level."""
        return at_constant_level(self.lwlrap, self.chance, self.constant) is False

    def has(self, kind: str) -> bool:
        """Whether a finding of that kind, worth a warning at least, is there."""
        return any(
            finding.kind == kind and finding.is_active and finding.severity != "info"
            for finding in self.diagnosis.findings
        )


@dataclass(frozen=True)
class Arm:
    """Interventions tried together, in the order in which they were prescribed.

    given : names of the interventions; empty for the control
    path : of the run; None before it has one
    seconds : of training
    note : why it was not gone on with, or what else is to be said
    is_out : it ended by itself: it could not be trained, or changes nothing
    """

    given: tuple[str, ...]
    path: Path | None = None
    standing: Standing | None = None
    seconds: float = 0.0
    note: str = ""
    is_out: bool = False
    history: dict[int, float] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """As `revive --json` has it."""
        return "+".join(self.given) or UNCHANGED

    def row(self) -> dict[str, Any]:
        """As `revive --json` has it."""
        at = self.standing
        keys = ("lwlrap", "chance", "constant", "gradient_ratio", "rnn_share")
        values = {key: _number(math.nan if at is None else getattr(at, key)) for key in keys}
        return {
            "intervention": self.name,
            "run": None if self.path is None else str(self.path),
            **{key: values[key] for key in keys[:3]},
            "verdict": None if at is None else at.diagnosis.verdict,
            "cause": None if at is None else at.diagnosis.cause,
            **{key: values[key] for key in keys[3:]},
            "iterations": 0 if at is None else at.iterations,
            "seconds": round(self.seconds, 1),
        }

    def stands(self, iteration: int | None = None, *, whole: bool = False) -> "Arm":
        """With where its run stands now, or stood at that iteration.

        whole : judged by all that was recorded, later iterations too
        """
        run = ReadOnce(self.path)  # type: ignore[arg-type]
        found = standing_of(run, iteration)
        found = replace(found, diagnosis=diagnose(run)) if whole else found
        return replace(self, standing=found, history={**self.history, found.iterations: found.lwlrap})


def standing_of(run: Run, iteration: int | None = None) -> Standing:
    """Where a run stands, or stood, at its last evaluation up to that iteration; by what it had recorded then."""
    evaluations = run.evaluations.loc[:iteration]
    at = 0 if evaluations.empty else int(evaluations.index[-1])
    scores = {
        name: math.nan if evaluations.empty else float(evaluations[name].iloc[-1])
        for name in ("lwlrap", "chance", "constant")
    }
    newest = run.last_iteration
    goes_on = newest is not None and newest >= at
    tried = run.ablations
    return Standing(
        at,
        **scores,
        gradient_ratio=_ratio(run, at),
        rnn_share=rnn_share_of(tried.loc[:at])[0],
        diagnosis=diagnose(Until(run, at) if goes_on else run),
    )


def _ratio(run: Run, at: int) -> float:
    """Of the iterations before an evaluation."""
    if "gradient_norm" not in run.columns:
        return math.nan
    norms: pd.DataFrame = run.gradient_norms.loc[: at - 1].tail(RECENT)
    means = {
        part: norms[[name for name, of in run.parts.items() if of == part]].to_numpy(dtype=float)
        for part in ("rnn", "head")
    }
    if not all(values.size and np.isfinite(values).any() for values in means.values()):
        return math.nan
    rnn, head = (float(np.nanmedian(values.mean(axis=1))) for values in means.values())
    return rnn / head if head > 0 else math.nan


def _number(value: float) -> float | None:
    return None if math.isnan(value) else round(float(value), 6)
