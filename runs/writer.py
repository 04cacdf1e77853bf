"""Append-only rows on disk: sealed Parquet segments for everyone, a tail of small files for `Run`.

A sealed file is whole, disjoint from the others, named by its first and last iteration, and never changed once visible,
so that whoever lists the folder sees every sealed row once. Whatever happens between two instructions (a kill, Ctrl-C)
leaves files that readers and the next writer understand: a file is written before what it replaces is deleted, and
names tell which of two counts.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from ..diagnostics.errors import RunError
from .columns import Columns, Row, columns_of, joined, to_table, typed
from .segments import UNREADABLE, Segment, open_segment, read_segment, segments_in, tail_segments, write_whole

Keep = Callable[[np.ndarray], np.ndarray]

MERGED_FILES = 32
"""Small files of the tail that are merged into one; a slow loop flushes every 2 s whatever it has."""

MOST_SEALED = 20_000
"""Rows of a segment at most; ours."""


@dataclass(frozen=True)
class _State:
    """The tail (segment, rows), the next flush's number and its rows; replaced whole, so never half changed."""

    tail: tuple[tuple[Segment, int], ...] = ()
    number: int = 0
    rows: list[Row] = field(default_factory=list)


class SegmentWriter:
    """Rows of one kind, flushed to the tail in small files and sealed from there.

    sealed, tail : the two folders; what a killed writer left in the tail is sealed when they are opened
    flush_rows, flush_s : a flush happens at whichever comes first (rows; seconds)
    seal_rows : rows sealed at a time, about
    seal_share : of the run so far, which is sealed at a time where that is more
    retain_rows : newest rows that stay in the tail, never thinned
    keep : which of the rows that leave the tail are kept (boolean mask from their iterations); None keeps all
    repeats : an iteration may come again (a second evaluation)
    merge_rows : rows of a merged file of the tail at most
    group_rows : rows of a Parquet row group; None is pyarrow's choice
    """

    def __init__(
        self,
        sealed: Path,
        tail: Path,
        *,
        flush_rows: int = 50,
        flush_s: float = 2.0,
        seal_rows: int = 2000,
        seal_share: float = 0.0,
        retain_rows: int = 0,
        keep: Keep | None = None,
        repeats: bool = False,
        merge_rows: int = 2000,
        group_rows: int | None = None,
    ) -> None:
        self.sealed, self.tail, self.keep, self.repeats = sealed, tail, keep, repeats
        self.flush_rows, self.flush_s = flush_rows, flush_s
        self.seal_rows, self.seal_share, self.retain_rows = seal_rows, seal_share, retain_rows
        self.merge_rows, self.group_rows = min(merge_rows, seal_rows), group_rows
        self.left_out = 0
        self._columns: Columns = {}
        self._flushed_at = time.monotonic()
        sealed.mkdir(parents=True, exist_ok=True)
        tail.mkdir(parents=True, exist_ok=True)
        self._state = self._recovered()
        self.close()

    @property
    def newest(self) -> int:
        """The newest iteration that was appended or found; -1 before the first."""
        if self._state.rows:
            return self._state.rows[-1]["iteration"]
        return self._state.tail[-1][0].last if self._state.tail else self._last_sealed

    def append(self, row: Row) -> None:
        """Take one row; written at the next flush.

        Raises RunError for an iteration that does not come after the newest, or a value its column cannot hold.
        """
        self._check_order(row)
        self._state.rows.append(typed(row, self._columns))
        if len(self._state.rows) >= self.flush_rows or time.monotonic() - self._flushed_at >= self.flush_s:
            self.flush()

    def flush(self) -> None:
        """Write what was appended; from here on it survives the process."""
        self._flushed_at = time.monotonic()
        state = self._state
        if not state.rows:
            return
        table = to_table(state.rows, self._columns)
        segment = self._write_tail(table, (state.number, state.number))
        self._state = _State((*state.tail, (segment, table.num_rows)), state.number + 1)
        self._merge()
        rows = max(self.seal_rows, min(int(self.newest * self.seal_share), MOST_SEALED))
        if sum(count for _, count in self._state.tail) >= rows + self.retain_rows:
            newest = self.newest  # to which a second row may come
            older = [file for file in self._state.tail if file[0].last < newest]
            self._seal(_oldest(max(rows, older[0][1]) if older else 0, older))

    def close(self) -> None:
        """Flush and seal everything; the newest `retain_rows` are not thinned."""
        self.flush()
        total = sum(count for _, count in self._state.tail)
        if self.keep is not None and total > self.retain_rows:
            self._seal(_oldest(total - self.retain_rows, self._state.tail))
        self._seal(self._state.tail, thin=False)
        self._delete_strays()

    def _check_order(self, row: Row) -> None:
        iteration, newest = row.get("iteration"), self.newest
        if not isinstance(iteration, (int, np.integer)) or iteration < 0:
            raise RunError(f"iteration is {iteration!r} (row for {self.sealed}); give each row a number from 0 up")
        repeated = self.repeats and iteration == newest > self._last_sealed
        if iteration <= newest and not repeated:
            raise RunError(
                f"iteration {iteration} came after iteration {newest} (row for {self.sealed}); rows must come in order"
            )

    def _write_tail(self, table: pa.Table, flushes: tuple[int, int]) -> Segment:
        first, last = table.column("iteration")[0].as_py(), table.column("iteration")[-1].as_py()
        name = f"{first:09d}-{last:09d}.{flushes[0]:06d}-{flushes[1]:06d}.parquet"
        write_whole(table, self.tail, name)
        return Segment(self.tail / name, first, last, flushes)

    def _merge(self) -> None:
        """Merge the newest files into one when there are many small ones."""
        rest, small = self._state.tail[:-MERGED_FILES], self._state.tail[-MERGED_FILES:]
        flushes = [segment.flushes for segment, _ in small if segment.flushes]
        rows = sum(count for _, count in small)
        if len(flushes) < MERGED_FILES or rows > self.merge_rows or any(start != end for start, end in flushes):
            return
        self._delete_strays()
        table = self._joined(small)
        segment = self._write_tail(table, (flushes[0][0], flushes[-1][1]))
        self._state = _State((*rest, (segment, rows)), self._state.number, self._state.rows)
        _delete(small)

    def _seal(self, taken: Sequence[tuple[Segment, int]], thin: bool = True) -> None:
        """Merge the files, oldest of the tail, into one sealed segment, and drop them from the tail."""
        done = self._last_sealed  # a seal that was cut short after its file appeared is not repeated
        left = [(segment, count) for segment, count in taken if segment.last > done]
        if left:
            table = self._joined(left)
            kept = table.filter(pa.array(self.keep(_iterations(table)))) if thin and self.keep else table
            name = f"{left[0][0].first:09d}-{left[-1][0].last:09d}.parquet"  # of thinned rows too: they are done
            if kept.num_rows:
                write_whole(kept.combine_chunks(), self.sealed, name, self.group_rows)
            self.left_out += table.num_rows - kept.num_rows
        self._state = _State(self._state.tail[len(taken) :], self._state.number, self._state.rows)
        _delete(taken)

    def _delete_strays(self) -> None:
        """Delete what an interruption left beside the tail's files: parts already merged, merges not taken over."""
        known = {segment.path for segment, _ in self._state.tail}
        for segment in segments_in(self.tail):
            if segment.path not in known:
                segment.path.unlink(missing_ok=True)

    def _joined(self, files: Sequence[tuple[Segment, int]]) -> pa.Table:
        return joined((read_segment(segment.path) for segment, _ in files), self._columns)

    @property
    def _last_sealed(self) -> int:
        return max((segment.last for segment in segments_in(self.sealed)), default=-1)

    def _recovered(self) -> _State:
        """What a killed writer left in the tail, less half-written files and what is sealed already."""
        for folder in (self.sealed, self.tail):
            for half in folder.glob(".*.parquet"):
                half.unlink()
        done, counted = self._last_sealed, tail_segments(self.tail)
        tail = []
        for segment in segments_in(self.tail):
            if segment.last <= done or segment not in counted:
                segment.path.unlink()
            elif (rows := self._rows_of(segment)) is not None:
                tail.append((segment, rows))
        for segment in segments_in(self.sealed)[-1:]:
            self._learn(segment.path)
        flushes = [segment.flushes[1] for segment, _ in tail if segment.flushes]
        return _State(tuple(tail), max(flushes, default=-1) + 1)

    def _rows_of(self, segment: Segment) -> int | None:
        """Rows of a tail file; one that is not whole (after a power cut) is put aside, its rows are lost."""
        try:
            self._learn(segment.path)
            with open_segment(segment.path) as file:
                return file.metadata.num_rows
        except UNREADABLE:
            segment.path.rename(segment.path.with_suffix(".broken"))
            return None

    def _learn(self, path: Path) -> None:
        """Columns of a file that an earlier writer left, so that they go on with their types."""
        with open_segment(path) as file:
            first = pa.Table.from_batches([next(file.iter_batches(batch_size=1))])
        for name, column in columns_of(first).items():
            if self._columns.get(name, column).width <= column.width:
                self._columns[name] = column


def _oldest(rows: int, files: Sequence[tuple[Segment, int]]) -> Sequence[tuple[Segment, int]]:
    """The first of the files: `rows` rows or a little less, and no iteration on both sides of the cut."""
    counts = np.cumsum([count for _, count in files])
    taken = files[: int(np.searchsorted(counts, rows, side="right"))]
    return [file for file in files if taken and file[0].last <= taken[-1][0].last]


def _iterations(table: pa.Table) -> Any:
    return table.column("iteration").to_numpy()


def _delete(files: Sequence[tuple[Segment, int]]) -> None:
    for segment, _ in files:
        segment.path.unlink(missing_ok=True)
