"""A window as a table."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from .window import Window
from .window_bins import STATISTICS, Series

LEVELS = ("statistic", "column", "entry")


def window_table(window: Window, entries: Mapping[str, Sequence[Any] | None]) -> pd.DataFrame:
    """Bin x (statistic, column, entry); bins in which no iteration lies are there, and NaN.

    entries : by column, names of its entries (by number where they are too few); None for a scalar
    """
    held = window.bins.starts
    starts = held
    if window.width > 1 and len(held):
        starts = np.arange(held[0], held[-1] + 1, window.width)
    rows = np.searchsorted(starts, held)
    labels = {name: _labels(window.bins.columns.get(name), names) for name, names in entries.items()}
    blocks = {statistic: [] for statistic in STATISTICS}
    for name, names in labels.items():
        series = window.bins.columns.get(name)
        for statistic in STATISTICS:
            blocks[statistic].append(_block(series, statistic, (len(starts), len(names)), rows))
    keys = [(kind, name, label) for kind in STATISTICS for name, names in labels.items() for label in names]
    tables = {kind: np.hstack(blocks[kind]) for kind in STATISTICS}
    return _framed(tables, keys, starts, window.width)


def _labels(series: Series | None, names: Sequence[Any] | None) -> list[Any]:
    if names is None:
        return [""]
    width = 0 if series is None else series.width
    return list(names) if len(names) >= width and names else list(range(width))


def _block(series: Series | None, statistic: str, shape: tuple[int, int], rows: np.ndarray) -> np.ndarray:
    out = np.zeros(shape, np.int32) if statistic == "count" else np.full(shape, np.nan, np.float32)
    if series is None:
        return out
    values = getattr(series, {"min": "low", "max": "high"}.get(statistic, statistic))
    out = out.astype(values.dtype)
    out[rows, : series.width] = values
    return out


def _framed(tables: Mapping[str, np.ndarray], keys: Sequence[Any], starts: np.ndarray, width: int) -> pd.DataFrame:
    index = pd.Index(starts, name="iteration", dtype=np.int64)
    columns = pd.MultiIndex.from_tuples(keys, names=LEVELS)
    each = len(keys) // len(STATISTICS)
    parts = [
        pd.DataFrame(tables[kind], index=index, columns=columns[place * each : (place + 1) * each], copy=False)
        for place, kind in enumerate(STATISTICS)
    ]
    frame = pd.concat(parts, axis=1)
    frame.attrs["width"] = width
    return frame
