"""Whether each run is what the plan says: a healthy one has learnt, a fault has done harm. Pure but for `outcome`."""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from flatline import Run

LEARNT = 0.3
"""Share of the way from the constant level to 1 that a healthy run has gone at least."""

LEFT = 0.7
"""Share of what its healthy twin gained over the constant level that a fault leaves at most."""

LOST = 0.08
"""lwlrap that a fault costs at least."""

CARRIED = 0.2
"""Share of a healthy run's score that its RNNs carry at least, at the upper end of the interval."""


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

    score : lwlrap, the mean of the last two evaluations; NaN where a score was no number. With one class, which has no
        ranking, the share of the label entropy that the loss has gained
    base : the better of chance and the constant level; 0 with one class
    rnn_share : of the score, that the network's RNNs carry, upper end of its interval; NaN without one
    """

    score: float
    base: float
    rnn_share: float = math.nan


def outcome(folder: Path) -> Outcome:
    """Of a recorded run."""
    run = Run(folder)
    evaluations = run.evaluations
    score = float(np.mean(evaluations["lwlrap"].to_numpy()[-2:]))
    last = run.evaluation_scalars.iloc[-1]
    if len(run.classes) == 1:
        return Outcome(1 - float(last["loss"]) / float(run.series("label_entropy").iloc[-1]), 0.0)
    shares = [float(value) for name, value in last.items() if str(name).endswith(".high")]
    return Outcome(score, float(np.nanmax([last["chance"], last["constant"]])), max(shares, default=math.nan))


def has_learnt(one: Outcome) -> bool:
    """Whether a healthy run went well above the constant level, and not round its RNN."""
    return (one.score - one.base) / (1 - one.base) >= LEARNT and not one.rnn_share < CARRIED


def does_harm(faulty: Outcome, twin: Outcome) -> bool:
    """Whether a fault cost its run clearly; scores that are no numbers are harm."""
    return math.isnan(faulty.score) or (share_left(faulty, twin) <= LEFT and twin.score - faulty.score >= LOST)


def share_left(faulty: Outcome, twin: Outcome) -> float:
    """Of what the twin gained over the constant level, the share that the faulty run has."""
    return (faulty.score - twin.base) / (twin.score - twin.base)
