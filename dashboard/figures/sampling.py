"""Fewer points that show the same: lowest values of bins for heatmaps, extremes for lines."""

import numpy as np
import pandas as pd
from tsdownsample import MinMaxDownsampler

COLUMNS = 1200
"""Columns of a heatmap, at most: about the pixels it gets on a wide screen."""

POINTS = 1200
"""Points of a line, at most (and its gaps): two a pixel column on a wide screen."""


def min_binned(table: pd.DataFrame, columns: int = COLUMNS) -> tuple[pd.DataFrame, int]:
    """The lowest value of each bin of iterations, indexed by the bin's first iteration.

    The lowest, since a mean hides the death of a parameter among its neighbours. Bins are as wide as rows lie apart,
    or as wide as it takes; a bin in which nothing was recorded is NaN.

    table   : iteration (ascending) x anything
    columns : bins, at most
    Returns the binned table and the iterations in a bin.
    """
    iterations = table.index.to_numpy()
    if iterations.size == 0:
        return table, 1
    width = max(cadence(iterations), -(-int(iterations[-1] - iterations[0] + 1) // columns))
    bins = (iterations - iterations[0]) // width
    held, starts = np.unique(bins, return_index=True)
    lowest = np.full((int(bins[-1]) + 1, table.shape[1]), np.nan, dtype=np.float32)
    lowest[held] = np.fmin.reduceat(table.to_numpy(), starts, axis=0)  # fmin: NaN only where a bin holds nothing else
    index = pd.Index(iterations[0] + width * np.arange(len(lowest)), name=table.index.name)
    return pd.DataFrame(lowest, index=index, columns=table.columns), width


def sampled(series: pd.Series, points: int = POINTS) -> pd.Series:
    """At most about `points` values that keep every visible extreme, with a NaN where the line must break.

    A line breaks where values are missing over more than the usual distance and over more than a pixel.

    series : values by iteration (ascending); NaN is not recorded
    """
    recorded = series.dropna()
    if recorded.empty:
        return recorded
    chosen = recorded
    if len(recorded) > points:
        values = np.ascontiguousarray(recorded.to_numpy(dtype=np.float64))
        extremes = MinMaxDownsampler().downsample(values, n_out=points - points % 2 - 2)
        chosen = recorded.iloc[np.unique(np.concatenate([[0], extremes, [len(recorded) - 1]]))]
    breaks = _breaks(recorded.index.to_numpy(), points)
    return pd.concat([chosen, pd.Series(np.nan, index=breaks)]).sort_index()


def cadence(iterations: np.ndarray) -> int:
    """The usual distance between neighbouring iterations (their median); 1 for a single one."""
    return max(1, int(np.median(np.diff(iterations)))) if iterations.size > 1 else 1


def _breaks(iterations: np.ndarray, points: int) -> np.ndarray:
    """Iterations in the middle of the gaps that would show."""
    gaps = np.diff(iterations)
    pixel = (iterations[-1] - iterations[0]) / points
    where = np.flatnonzero(gaps > max(1.5 * cadence(iterations), pixel))
    return iterations[where] + gaps[where] / 2
