"""From a condition by iteration to the stretch in which it held."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Stretch:
    """Iterations, both included, in which something held; `is_active` if it did so at the end."""

    first: int
    last: int
    is_active: bool


def sustained(
    iterations: np.ndarray, holds: np.ndarray, known: np.ndarray | None = None, *, least: int = 10, share: float = 0.9
) -> Stretch | None:
    """Where a condition held in at least `share` of every `least` rows; None if nowhere.

    Of several stretches the one that reaches the end, else the longest. It begins and ends with rows that hold, and
    rows in which nothing is known are passed over.

    iterations : (row,) ascending
    holds, known : (row,) bool

    >>> sustained(np.arange(8), np.arange(8) > 3, least=3)
    Stretch(first=4, last=7, is_active=True)
    """
    if known is not None:
        iterations, holds = iterations[known], holds[known]
    if len(holds) < least or not holds.any():
        return None
    counts = np.convolve(holds.astype(np.int64), np.ones(least, dtype=np.int64), mode="valid")
    full = counts >= share * least - 1e-9
    if not full.any():
        return None
    covered = np.zeros(len(holds) + 1, dtype=np.int64)
    np.add.at(covered, np.flatnonzero(full), 1)
    np.add.at(covered, np.flatnonzero(full) + least, -1)
    inside = (np.cumsum(covered)[:-1] > 0) & _between_hits(holds)
    edges = np.diff(np.concatenate([[0], inside.astype(np.int8), [0]]))
    begins, ends = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1) - 1
    chosen = len(begins) - 1 if ends[-1] >= len(holds) - least else int(np.argmax(ends - begins))
    place = slice(begins[chosen], ends[chosen] + 1)
    hits = np.flatnonzero(holds[place]) + begins[chosen]
    is_active = bool(hits[-1] >= len(holds) - least) and chosen == len(begins) - 1
    return Stretch(int(iterations[hits[0]]), int(iterations[hits[-1]]), is_active)


def _between_hits(holds: np.ndarray) -> np.ndarray:
    """Rows from the first to the last that holds."""
    hits = np.flatnonzero(holds)
    between = np.zeros(len(holds), dtype=bool)
    between[hits[0] : hits[-1] + 1] = True
    return between


def smoothed(values: np.ndarray, span: int = 20) -> np.ndarray:
    """Mean over the last `span` rows (fewer at the beginning), NaN left out; NaN where there is none."""
    good = np.isfinite(values)
    sums = np.concatenate([[0.0], np.cumsum(np.where(good, values, 0.0))])
    counts = np.concatenate([[0], np.cumsum(good)])
    ends = np.arange(1, len(values) + 1)
    begins = np.maximum(ends - span, 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return (sums[ends] - sums[begins]) / (counts[ends] - counts[begins])
