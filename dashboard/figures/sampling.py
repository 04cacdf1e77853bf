"""Fewer points that show the same: lowest values of bins for heatmaps, extremes for lines."""

import numpy as np
import pandas as pd
from tsdownsample import MinMaxDownsampler

COLUMNS = 1200
"""Columns of a heatmap, at most: about the pixels it gets on a wide screen."""

POINTS = 1200
"""Points of a line, at most (and its gaps): two a pixel column on a wide screen."""

SEEN_POINTS = 5
"""Points that a gap is wide, at least, to break a line: a few pixels. An empty bin takes up to 4.5; ours."""


def min_binned(table: pd.DataFrame, columns: int = COLUMNS, spacing: float = 0.5) -> tuple[pd.DataFrame, int]:
    """The lowest value of each bin of iterations, indexed by the bin's first iteration.

    The lowest, since a mean hides the death of a parameter among its neighbours. Bins are as wide as rows lie apart,
    or as wide as it takes; a bin in which nothing was recorded is NaN.

    table   : iteration (ascending) x anything
    columns : bins, at most
    spacing : quantile of the distances between rows that is taken for how far they lie apart
    Returns the binned table and the iterations in a bin.
    """
    iterations = table.index.to_numpy()
    if iterations.size == 0:
        return table, 1
    width = max(cadence(iterations, spacing), -(-int(iterations[-1] - iterations[0] + 1) // columns))
    bins = (iterations - iterations[0]) // width
    held, starts = np.unique(bins, return_index=True)
    lowest = np.full((int(bins[-1]) + 1, table.shape[1]), np.nan, dtype=np.float32)
    lowest[held] = np.fmin.reduceat(table.to_numpy(), starts, axis=0)  # fmin: NaN only where a bin holds nothing else
    index = pd.Index(iterations[0] + width * np.arange(len(lowest)), name=table.index.name)
    return pd.DataFrame(lowest, index=index, columns=table.columns), width


def sampled(series: pd.Series, points: int = POINTS) -> pd.Series:
    """At most about `points` values that keep every visible extreme, with a NaN where the line must break.

    A line breaks where values are missing over more than the usual distance and over a few pixels.

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
    gaps = breaks(recorded.index.to_numpy(), points)
    return pd.concat([chosen, pd.Series(np.nan, index=gaps)]).sort_index()


def cadence(iterations: np.ndarray, quantile: float = 0.5) -> int:
    """The usual distance between neighbouring iterations (their median, or another quantile); 1 for a single one."""
    return max(1, int(np.quantile(np.diff(iterations), quantile, method="higher"))) if iterations.size > 1 else 1


def breaks(iterations: np.ndarray, points: int) -> np.ndarray:
    """Iterations in the middle of the gaps that would show in so many points.

    At least two usual steps wide (nearly the widest, since the lowest and the highest of a bin lie closer to each other
    than to those of the next), and more than an empty bin: a signal that not every bin has is one line.
    """
    gaps = np.diff(iterations)
    if gaps.size < 2:
        return np.empty(0)
    usual = np.quantile(gaps, 0.9, method="lower")
    seen = SEEN_POINTS * (iterations[-1] - iterations[0]) / points
    where = np.flatnonzero((gaps >= 2 * usual) & (gaps > seen))
    return iterations[where] + gaps[where] / 2
