"""How much two attributions agree."""

import numpy as np
import pandas as pd

from .names import Grain


def agreement(a: np.ndarray, b: np.ndarray, grains: tuple[Grain, Grain] = ("cell", "cell")) -> float:
    """Spearman's rank correlation of two attributions, over what both tell apart: cells, frames or mel bins.

    NaN for frames against mel bins, and where one has a single value throughout.

    a, b : (frame, mel)

    >>> agreement(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[1.0, 2.0], [4.0, 3.0]]))
    0.8
    """
    coarse = {grain for grain in grains if grain != "cell"}
    if len(coarse) > 1:
        return float("nan")
    axis = {"frame": 1, "mel": 0}.get(next(iter(coarse), ""))
    first, second = (a.ravel(), b.ravel()) if axis is None else (a.sum(axis=axis), b.sum(axis=axis))
    if len(first) < 2 or np.ptp(first) == 0 or np.ptp(second) == 0:
        return float("nan")
    ranks = [pd.Series(values).rank().to_numpy(dtype=float) for values in (first, second)]
    return float(np.round(np.corrcoef(ranks[0], ranks[1])[0, 1], 12))
