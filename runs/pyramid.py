"""Bins of 16, 64, 256 ... iterations beside the sealed segments, so that a window of any length is drawn from few rows.

`pyramid/<width>/<first>-<last>.parquet` holds every bin of its width over those iterations: `bin` (its first
iteration) and `<column>.min`, `.max`, `.mean`, `.count` (values that are not NaN). A bin on the border of two files is
in both, each with its own rows. Each sealed segment becomes a small file of the finest width; as soon as those of a
width hold FOLDED bins they become one file of it and one of the next width. So each width lags behind the finer one,
by a bounded number of bins, and nothing is ever held in memory but one row group of a segment and some FOLDED bins.
"""

from pathlib import Path

import numpy as np
import pyarrow as pa

from .columns import matrix, widest
from .segments import Segment, outermost, read_segment, row_groups, segments_in, write_whole
from .window_bins import STATISTICS, Bins, Series, binned, joined, of_rows, values_of

FINEST = 16
"""Iterations of the finest bins; eight would add half as many bytes as the segments have."""

FACTOR = 4
"""Each width is so many of the one before; with it all widths take a third more than the finest alone."""

FOLDED = 4096
"""Bins of a width that are put into one file and passed on to the next width; ours."""

BEGINS = 8000
"""Iterations below which a run has no pyramid: reading its rows is as fast."""


def write(folder: Path) -> None:
    """Take the sealed segments into the pyramid that are not in it yet.

    folder : `<run>/pyramid`; the segments are in `<run>/iterations`
    Raises OSError as `open` does, and pyarrow's errors for a segment that cannot be read; a later call goes on.
    """
    sealed = segments_in(folder.parent / "iterations")
    if not sealed or sealed[-1].last < BEGINS:
        return
    for half in folder.glob("*/.*.parquet"):  # of a writer that was killed
        half.unlink(missing_ok=True)
    finest = _level(folder, FINEST)
    done = max((file.last for file in level_files(folder, FINEST)), default=-1)
    for segment in sealed:
        if segment.last > done:
            bins = [binned(_rows(group), FINEST) for group in row_groups(segment.path)]
            _write(finest, joined(bins, FINEST), segment.first, segment.last)
    _fold(folder)


def forget(folder: Path, last: int) -> None:
    """Delete what tells of iterations after `last`: for whoever takes sealed rows away, before he does."""
    for width in level_widths(folder)[::-1]:
        for file in segments_in(_level(folder, width)):
            if file.last > last:
                file.path.unlink(missing_ok=True)


def level_widths(folder: Path) -> list[int]:
    """Widths of the bins that there are, finest first."""
    return sorted(int(path.name) for path in folder.glob("*") if path.name.isdecimal())


def level_files(folder: Path, width: int) -> list[Segment]:
    """The files of one width, in order; one whose iterations another holds too was put into that and does not count."""
    return outermost(segments_in(_level(folder, width)))


def bins_of(table: pa.Table) -> Bins:
    """What a file of the pyramid holds, of the columns that were read."""
    names = [name.removesuffix(".count") for name in table.column_names if name.endswith(".count")]
    columns = {name: Series(*(_numbers(table.column(f"{name}.{kind}")) for kind in STATISTICS)) for name in names}
    return Bins(table.column("bin").to_numpy(), columns)


def _fold(folder: Path) -> None:
    """Each width's files that the next does not hold yet become one, and one of the next, once they are large enough.

    A kill in between leaves a file that another holds too, or one that is folded by the next call.
    """
    width = FINEST
    while True:
        folded = max((file.last for file in level_files(folder, width * FACTOR)), default=-1)
        young = [file for file in level_files(folder, width) if file.last > folded]
        if sum((file.last - file.first) // width + 1 for file in young) < FOLDED:
            return
        bins = joined([bins_of(read_segment(file.path)) for file in young], width)
        first, last = young[0].first, young[-1].last
        if len(young) > 1:
            _write(_level(folder, width), bins, first, last)
        _write(_level(folder, width * FACTOR), binned(bins, width * FACTOR), first, last)
        known = {file.path for file in level_files(folder, width)}
        for file in segments_in(_level(folder, width)):
            if file.path not in known:
                file.path.unlink(missing_ok=True)
        width *= FACTOR


def _level(folder: Path, width: int) -> Path:
    return folder / str(width)


def _rows(table: pa.Table) -> Bins:
    found = {name: values_of(name, table.column(name)) for name in table.column_names if name != "iteration"}
    numbers = {name: values for name, values in found.items() if values is not None}
    return of_rows(table.column("iteration").to_numpy(), numbers)


def _write(level: Path, bins: Bins, first: int, last: int) -> None:
    level.mkdir(parents=True, exist_ok=True)
    columns: dict[str, pa.Array] = {"bin": pa.array(bins.starts)}
    for name, series in bins.columns.items():
        kinds = zip(STATISTICS, (series.low, series.high, series.mean, series.count), strict=True)
        columns |= {f"{name}.{statistic}": _array(values) for statistic, values in kinds}
    write_whole(pa.table(columns), level, f"{first:09d}-{last:09d}.parquet", lasting=True)


def _array(values: np.ndarray) -> pa.Array:
    """A column of numbers, or of lists where there are several entries (or none) a bin."""
    flat = pa.array(np.ascontiguousarray(values).ravel())
    if values.shape[1] == 1:
        return flat
    return pa.ListArray.from_arrays(pa.array(np.arange(len(values) + 1, dtype=np.int32) * values.shape[1]), flat)


def _numbers(column: pa.ChunkedArray) -> np.ndarray:
    if not pa.types.is_list(column.type):
        return column.to_numpy().reshape(-1, 1)
    width = widest(column)
    if pa.types.is_floating(column.type.value_type):
        return matrix(column, width)
    flat = column.combine_chunks().flatten()
    return flat.to_numpy().reshape(len(column), width)
