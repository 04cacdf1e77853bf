"""Whether an attribution says anything; pure numbers in, words out."""

from dataclasses import dataclass

import numpy as np

from ..detectors.constant_predictor import AGREEMENT, LEAST_CLASSES
from ..signals.outputs import rank_agreement

LEAST_MOVE = 0.01
"""Probability by which one class at least must differ between clip and baseline; ours, on real speech, 12 recipes and
48 clips each: collapsed nets moved no class by more than .001 in any clip, learning ones some class by .12 or more."""

LEAST_CLIPS = 4
"""Clips, baseline included, below which one ranking may be chance; ours."""

SAME = 0.95
"""Rank correlation with the attribution of randomised weights from which the weights had no say (Adebayo et al. 2018
call a method insensitive that stays near 1); ours: docs/attribution.md has what the methods reach."""


@dataclass(frozen=True)
class Verdict:
    """Whether an attribution carries information, and why, in one sentence."""

    informative: bool
    why: str


def verdict(
    values: np.ndarray,
    probabilities: np.ndarray,
    index: int,
    references: np.ndarray | None = None,
    randomised: float = float("nan"),
) -> Verdict:
    """What is to be thought of an attribution.

    It carries none where the network gives one answer whatever it hears: no class moves by `LEAST_MOVE` between clip
    and baseline, or all clips rank the classes alike (`AGREEMENT` of the constant predictor). Nor where its values are
    all one, or those of a network with random weights.

    values : (frame, mel)
    probabilities : (2, class) of the clip and of the baseline
    references : (clip, class) scores of other clips; None leaves them out
    randomised : rank correlation with the attribution of randomised weights; NaN was not looked at
    """
    moved = np.abs(probabilities[0] - probabilities[1])
    if not np.isfinite(values).all():
        return _blank("it holds values that are not finite")
    if moved.max() < LEAST_MOVE:
        return _blank(
            f"the network answers this clip as it answers the baseline: no class moves by more than {moved.max():.2g}"
        )
    alike = _one_ranking(probabilities, references)
    if alike is not None:
        return _blank(f"the network ranks the classes alike for every clip (rank agreement {alike:.3f})")
    if np.ptp(values) == 0:
        return _blank("it is the same everywhere")
    if abs(randomised) >= SAME:
        return _blank(f"it is that of a network with random weights (rank correlation {randomised:.2f})")
    now, before = probabilities[:, index]
    words = f"the class's probability moves from {before:.3g} to {now:.3g}"
    return Verdict(True, words if moved[index] >= LEAST_MOVE else f"{words}, which is little; other classes move more")


def _blank(why: str) -> Verdict:
    return Verdict(False, f"this attribution carries no information: {why}")


def _one_ranking(probabilities: np.ndarray, references: np.ndarray | None) -> float | None:
    """The rank agreement of all clips where it is that of a constant predictor."""
    if references is None or probabilities.shape[1] < LEAST_CLASSES:
        return None
    scores = np.vstack([probabilities, references])
    if len(scores) < LEAST_CLIPS:
        return None
    agreement = rank_agreement(scores)
    return agreement if agreement > AGREEMENT else None
