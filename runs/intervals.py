"""The mean of a few seeds, and how far it can be trusted; needs no torch."""

import math
from collections.abc import Sequence

import numpy as np


def half_width(values: Sequence[float]) -> float:
    """Half the width of the mean's 95 % interval: Student's t of n - 1 degrees times the standard error.

    NaN of a single value.

    >>> round(half_width([1.0, 2.0, 3.0]), 3)  # 4.303 / sqrt(3)
    2.484
    """
    if len(values) < 2:
        return math.nan
    from scipy.stats import t

    return float(t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / math.sqrt(len(values)))


def interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Mean, and the lower and upper end of its 95 % interval.

    >>> [round(value, 3) for value in interval([0.5, 0.52, 0.54])]
    [0.52, 0.47, 0.57]
    """
    mean, half = float(np.mean(values)), half_width(values)
    return mean, mean - half, mean + half
