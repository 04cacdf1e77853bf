"""lwlrap of a whole evaluation against a loop over clips."""

import numpy as np
from flatline import lwlrap
from timing import Timed, alone, turn_about


def looped(scores: np.ndarray, target: np.ndarray) -> float:
    """One sort a clip, then down its ranking; the published metric's way in our words."""
    total, labels = 0.0, 0
    for row, truth in zip(scores, target, strict=True):
        hits = truth[np.argsort(row)[::-1]]
        places = np.flatnonzero(hits)
        total += (np.cumsum(hits)[places] / (places + 1)).sum()
        labels += places.size
    return total / labels


def measure(repetitions: int) -> Timed:
    """The loop over ours, on scores without ties; both give the same number."""
    rng = np.random.default_rng(0)
    scores, target = rng.standard_normal((8000, 80)).astype(np.float32), rng.random((8000, 80)) < 0.015
    difference = abs(looped(scores, target) - lwlrap(scores, target))
    if difference > 1e-12:
        raise AssertionError(f"the loop and lwlrap differ by {difference}")
    return turn_about(lambda: looped(scores, target), lambda: lwlrap(scores, target), repetitions, calls=5)


GROUPS = (alone("lwlrap against a loop", "8000 clips x 80 classes, 1.2 labels a clip", 15, False, measure),)
