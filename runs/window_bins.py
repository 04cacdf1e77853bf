"""Bins of iterations: the lowest, highest and mean value of each series in each, and how many values it holds."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from .columns import FIXED_TYPES, NUMBER, matrix, widest

STATISTICS = ("min", "max", "mean", "count")

FEW = 64
"""Rows of a bin up to which columns are folded row by row, several times faster there than `reduceat`; ours."""


@dataclass(frozen=True)
class Series:
    """One column by bin, each statistic (bin, entry); NaN where `count`, the recorded values, is 0."""

    low: np.ndarray
    high: np.ndarray
    mean: np.ndarray
    count: np.ndarray

    @property
    def width(self) -> int:
        """Entries: 1 of a scalar, the list's length of a list."""
        return self.low.shape[1]

    def wider(self, width: int) -> "Series":
        """With entries added that were not recorded."""
        if width == self.width:
            return self
        more = ((0, 0), (0, width - self.width))
        low, high, mean = (np.pad(kind, more, constant_values=np.nan) for kind in (self.low, self.high, self.mean))
        return Series(low, high, mean, np.pad(self.count, more))


@dataclass(frozen=True)
class Bins:
    """Columns by bin; starts : (bin,) int64, the first iteration of each, ascending; one may come twice."""

    starts: np.ndarray
    columns: dict[str, Series]


def of_rows(iterations: np.ndarray, columns: dict[str, np.ndarray]) -> Bins:
    """Rows as bins of one iteration; columns are (row, entry), NaN where not recorded."""
    held = {name: (~np.isnan(values)).astype(np.int32) for name, values in columns.items()}
    return Bins(iterations, {name: Series(values, values, values, held[name]) for name, values in columns.items()})


def sliced(bins: Bins, first: int, last: int) -> Bins:
    """The bins that start from `first` to `last`, both included."""
    start, end = np.searchsorted(bins.starts, [first, last + 1])
    if end - start == len(bins.starts):
        return bins
    columns = {
        name: Series(*(kind[start:end] for kind in (series.low, series.high, series.mean, series.count)))
        for name, series in bins.columns.items()
    }
    return Bins(bins.starts[start:end], columns)


def binned(bins: Bins, width: int) -> Bins:
    """The bins put together to wider ones, each once; `width` is a multiple of theirs."""
    firsts = bins.starts // width * width
    if not firsts.size or (np.diff(firsts) > 0).all():
        return Bins(firsts, bins.columns)
    places = np.flatnonzero(np.diff(firsts, prepend=firsts[0] - 1))
    sizes = np.diff(places, append=len(firsts))
    return Bins(firsts[places], {name: _binned(series, places, sizes) for name, series in bins.columns.items()})


def _binned(series: Series, places: np.ndarray, sizes: np.ndarray) -> Series:
    low = _folded(np.fmin, series.low, places, sizes)  # fmin: NaN only where a bin holds nothing else
    high = _folded(np.fmax, series.high, places, sizes)
    count = _folded(np.add, series.count, places, sizes)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):  # inf - inf, 0 / 0, beyond float32
        sums = np.where(series.count > 0, series.mean.astype(np.float64) * series.count, 0.0)
        mean = (_folded(np.add, sums, places, sizes) / count).astype(low.dtype)
    return Series(low, high, mean, count)


def _folded(function: np.ufunc, values: np.ndarray, places: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """`function` over the rows of each bin: those from `places` on, `sizes` of them."""
    most = int(sizes.max())
    if values.shape[1] == 1 or most > FEW:
        return function.reduceat(values, places, axis=0)
    out = values[places]
    for row in range(1, most):
        held = sizes > row
        if held.all():
            function(out, values[places + row], out=out)
        else:
            out[held] = function(out[held], values[places[held] + row])
    return out


def joined(parts: Sequence[Bins], width: int) -> Bins:
    """Bins one after the other, in order, at one width; what a part lacks is NaN there."""
    if len(parts) == 1:
        return binned(parts[0], width)
    wide: dict[str, int] = {}
    for part in parts:
        for name, series in part.columns.items():
            wide[name] = max(wide.get(name, 0), series.width)
    starts = np.concatenate([np.empty(0, np.int64), *(part.starts for part in parts)])
    columns = {name: _stacked([_series(part, name, size) for part in parts]) for name, size in wide.items()}
    return binned(Bins(starts, columns), width)


def _series(part: Bins, name: str, width: int) -> Series:
    if name in part.columns:
        return part.columns[name].wider(width)
    shape = (len(part.starts), width)
    nothing = np.full(shape, np.nan, dtype=np.float32)
    return Series(nothing, nothing, nothing, np.zeros(shape, dtype=np.int32))


def _stacked(series: Iterable[Series]) -> Series:
    kinds = zip(*((one.low, one.high, one.mean, one.count) for one in series), strict=True)
    return Series(*(np.concatenate(kind) for kind in kinds))


def values_of(name: str, column: pa.ChunkedArray) -> np.ndarray | None:
    """(row, entry) numbers of a column; NaN where nothing was recorded; None of a column that holds no numbers."""
    kind = column.type
    if pa.types.is_list(kind):
        return matrix(column, widest(column)) if pa.types.is_floating(kind.value_type) else None
    if not (pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_boolean(kind)):
        return None
    dtype: Any = np.float64 if FIXED_TYPES.get(name, NUMBER) == pa.float64() else np.float32
    values = column.to_numpy().astype(dtype).reshape(-1, 1)
    return np.where(values < 0, np.nan, values) if name == "epoch" else values
