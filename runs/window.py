"""A stretch of a run in few points, which hides no value: exact rows where they fit, else bins of iterations."""

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from ..diagnostics.errors import RunError
from .pyramid import FACTOR, FINEST, bins_of, level_files
from .reading import ATTEMPTS, FileMark, SegmentReader, file_mark, read_rows
from .segments import UNREADABLE, Segment, read_segment
from .window_bins import STATISTICS, Bins, binned, joined, of_rows, sliced, values_of

KEPT_BYTES = 2**27
"""Of files read before that stay in memory to be drawn again, the least recently used given up first; ours."""

POINTS = 2000
"""Bins of a window, at most; more than the pixels of a wide screen."""

ROWS = 1
"""Width of what holds rows, not bins."""


@dataclass(frozen=True)
class Window:
    """The columns of a stretch by bin; width : iterations in a bin, 1 where every row is there as it was recorded."""

    bins: Bins
    width: int


@dataclass
class WindowReader:
    """Windows of a run's iterations, from the pyramid, and from rows where that does not reach.

    folder : the pyramid's; it need not be there
    """

    rows: SegmentReader
    folder: Path
    _known: OrderedDict[tuple[Path, tuple[str, ...]], tuple[FileMark, Bins]] = field(default_factory=OrderedDict)

    def read(self, columns: Sequence[str], first: int | None, last: int | None, points: int = POINTS) -> Window:
        """The columns from iteration `first` to `last`, both included; None is the run's own.

        Raises RunError where a sealed segment cannot be read, or where files went under every attempt.
        """
        for _ in range(ATTEMPTS):
            try:
                return self._read(tuple(dict.fromkeys(columns)), first, last, points)
            except FileNotFoundError:  # sealed or folded between the listing and the read
                continue
        raise RunError(f"{self.rows.sealed} changed under every one of {ATTEMPTS} reads; read it again")

    def _read(self, columns: tuple[str, ...], first: int | None, last: int | None, points: int) -> Window:
        segments = self.rows.segments()
        if not segments:
            return Window(joined([], ROWS), ROWS)
        first = segments[0].first if first is None else max(first, segments[0].first)
        last = segments[-1].last if last is None else min(last, segments[-1].last)
        width, level = resolution(last - first + 1, points)
        cover = _Cover(self, columns, segments, width)
        return Window(joined(list(cover.parts(level, first, last)), width), width)

    def bins(self, file: Segment, columns: tuple[str, ...], width: int) -> Bins | None:
        """A file's columns; None for one that cannot be read and that others stand in for."""
        key, mark = (file.path, columns), file_mark(file.path)
        known = self._known.pop(key, None)
        if known is None or known[0] != mark:
            bins = _of_segment(file, columns, self.rows) if width == ROWS else _of_pyramid(file, columns)
            if bins is None:
                return None
            known = mark, bins
        self._known[key] = known
        while len(self._known) > 1 and sum(_bytes(bins) for _, bins in self._known.values()) > KEPT_BYTES:
            self._known.popitem(last=False)
        return known[1]


@dataclass(frozen=True)
class _Cover:
    """The parts of one window, each iteration in exactly one."""

    reader: WindowReader
    columns: tuple[str, ...]
    segments: Sequence[Segment]
    width: int

    def parts(self, level: int, first: int, last: int) -> Iterator[Bins]:
        """What holds the iterations from `first` to `last`, in order: whole bins of a width, finer ones in between."""
        at = first
        for file in self._files(level):
            low = file.first if file.first >= first else -(-first // level) * level
            high = file.last if file.last <= last else (last + 1) // level * level - 1
            if low > high or (bins := self.reader.bins(file, self.columns, level)) is None:
                continue
            if at < low and level > ROWS:
                yield from self.parts(_finer(level), at, low - 1)
            yield binned(sliced(bins, low // level * level, high), self.width)
            at = high + 1
        if at <= last and level > ROWS:
            yield from self.parts(_finer(level), at, last)

    def _files(self, level: int) -> Sequence[Segment]:
        if level == ROWS:
            return self.segments
        firsts = {segment.first for segment in self.segments}
        lasts = {segment.last for segment in self.segments}
        files = level_files(self.reader.folder, level)
        return [file for file in files if file.first in firsts and file.last in lasts]  # others tell of rows that went


def resolution(iterations: int, points: int) -> tuple[int, int]:
    """Width of a window's bins, and that of the pyramid's from which they are made; ROWS where there is none.

    Its bins are at most half as wide, so that rounding up to a multiple of them leaves two thirds of the points.

    >>> resolution(300, 2000), resolution(50_000, 2000), resolution(100_000, 1200), resolution(1_000_000, 1200)
    ((1, 1), (25, 1), (96, 16), (1024, 256))
    """
    width = max(1, -(-iterations // max(1, points)))
    if width < 2 * FINEST:
        return width, ROWS
    level = FINEST
    while 2 * level * FACTOR <= width:
        level *= FACTOR
    return -(-width // level) * level, level


def _finer(level: int) -> int:
    return ROWS if level == FINEST else level // FACTOR


def _of_segment(file: Segment, columns: Sequence[str], rows: SegmentReader) -> Bins | None:
    table = read_rows(file, ("iteration", *columns), rows.sealed)
    if table is None:
        return None
    found = {name: values_of(name, table.column(name)) for name in columns if name in table.column_names}
    numbers = {name: values for name, values in found.items() if values is not None}
    return of_rows(table.column("iteration").to_numpy(), numbers)


def _of_pyramid(file: Segment, columns: Sequence[str]) -> Bins | None:
    wanted = [f"{name}.{statistic}" for name in columns for statistic in STATISTICS]
    try:
        return bins_of(read_segment(file.path, ["bin", *wanted]))
    except FileNotFoundError:
        raise
    except (*UNREADABLE, pa.ArrowKeyError):
        return None


def _bytes(bins: Bins) -> int:
    return sum(4 * series.low.nbytes for series in bins.columns.values())
