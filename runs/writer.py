"""Append-only rows on disk: sealed Parquet segments for everyone, a tail of small files for `Run`.

A sealed file is whole, disjoint from the others, named by its first and last iteration, and never changed once visible,
so that whoever lists the folder sees every sealed row once. Whatever happens between two instructions (a kill, Ctrl-C)
leaves files that readers and the next writer understand: a file is written before what it replaces is deleted, and
names tell which of two counts.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from ..diagnostics.errors import RunError
from .columns import Columns, Row, joined, to_table, typed
from .gap import Gap, row_bytes
from .outage import say
from .recovery import recovered
from .segments import GARBLED, GROUP_ROWS, Segment, read_segment, segments_in, write_whole
from .tail_files import TailFile, delete, delete_strays, make_folders, oldest, parts

Keep = Callable[[np.ndarray], np.ndarray]
OnSeal = Callable[[], object]

MERGED_FILES = 32
"""Small files of the tail that are merged into one; a slow loop flushes every 2 s whatever it has."""

MOST_SEALED = 100_000
"""Rows of a segment at most: with it a run of ten million iterations has fewer than 200; ours."""

MOST_WAITING = 2**26
"""Bytes of rows that wait in memory while they cannot be written, about; later ones are dropped and counted; ours."""


@dataclass(frozen=True)
class _State:
    """The tail (segment, rows), the next flush's number and its rows; replaced whole, so never half changed."""

    tail: tuple[TailFile, ...] = ()
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
    group_rows : rows of a Parquet row group, of which one at a time is in memory
    on_seal : called once a sealed segment is visible; its faults are told once
    fsync : whether a flush and a seal wait until the disk has them, for a power cut
    lazy : whether the folders are opened by the first flush instead
    Raises OSError where the folders cannot be made, or what is left in them cannot be sealed.
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
        group_rows: int = GROUP_ROWS,
        on_seal: OnSeal | None = None,
        fsync: bool = False,
        lazy: bool = False,
    ) -> None:
        self.sealed, self.tail, self.keep, self.repeats = sealed, tail, keep, repeats
        self.flush_rows, self.flush_s = flush_rows, flush_s
        self.seal_rows, self.seal_share, self.retain_rows = seal_rows, seal_share, retain_rows
        self.merge_rows, self.group_rows = min(merge_rows, seal_rows), group_rows
        self.on_seal, self.fsync = on_seal, fsync
        self.left_out = 0
        self.gap: Gap | None = None
        self.newest = -1
        self._columns: Columns = {}
        self._state = _State()
        self._sealed_to = self._thinned_to = -1
        self._waiting = 0
        self._opened = self._told = False
        self._flushed_at = time.monotonic()
        if not lazy:
            self.open()

    def open(self) -> None:
        """Make the folders, if this was not done yet, and seal what a killed writer left in the tail."""
        if self._opened:
            return
        make_folders((self.sealed, self.tail), self.fsync)
        held, self._state = self._state.rows, self._recovered()
        known = max(self._sealed_to, self._state.tail[-1][0].last if self._state.tail else -1)
        self._state.rows.extend(row for row in held if row["iteration"] > known)
        self.newest = max(self.newest, known)
        self._seal_all()
        self._opened = True

    @property
    def waiting(self) -> int:
        """Rows that are not on disk."""
        return len(self._state.rows)

    @property
    def written(self) -> int:
        """The last iteration that is on disk; -1 for none."""
        return self._state.tail[-1][0].last if self._state.tail else self._sealed_to

    @property
    def due(self) -> bool:
        """Whether it is time for a flush."""
        return bool(self._state.rows) and (
            len(self._state.rows) >= self.flush_rows or time.monotonic() - self._flushed_at >= self.flush_s
        )

    def append(self, row: Row) -> None:
        """Take one row; written at the next flush.

        Raises RunError for an iteration that does not come after the newest, or a value its column cannot hold;
        OSError if a flush was due and failed: the row waits for the next.
        """
        self.hold(row)
        if self.due:
            self.flush()

    def hold(self, row: Row) -> None:
        """Take one row into memory alone; one for which there is no room any more is counted in `gap`."""
        self._check_order(row)
        values = typed(row, self._columns)
        self.newest = values["iteration"]
        if len(self._state.rows) >= self.flush_rows and not self._has_room(values):
            self.gap = Gap(self.newest, self.newest, 1).joined(self.gap)
        else:
            self._state.rows.append(values)

    def flush(self) -> None:
        """Write what was appended; from here on it survives the process.

        Raises OSError if it cannot be written; the rows wait for the next flush.
        """
        self._flushed_at = time.monotonic()
        if not self._state.rows:
            return
        self.open()
        state = self._state
        table = to_table(state.rows, self._columns)
        segment = self._write_tail(table, (state.number, state.number))
        self._state = _State((*state.tail, (segment, table.num_rows)), state.number + 1)
        self._waiting = 0
        self._merge()
        rows = self._rows_sealed
        while sum(count for _, count in self._state.tail) >= rows + self.retain_rows:
            last = self._state.tail[-1][0].last  # to which a second row may come
            older = [file for file in self._state.tail if file[0].last < last]
            # One that was thinned waits for others.
            at_least = 2 if older and older[0][0].last <= self._thinned_to else 1
            if len(older) < at_least:
                break
            self._retire(oldest(max(rows, sum(count for _, count in older[:at_least])), older))

    def close(self) -> None:
        """Flush and seal everything; the newest `retain_rows` are not thinned."""
        self.flush()
        if self._opened:
            self._seal_all()

    def forget_gone(self) -> None:
        """Make folders that somebody deleted; files of the tail that went with them are counted in `gap`."""
        if not self._opened:
            return
        make_folders((self.sealed, self.tail), self.fsync)
        there = {segment.path for segment in segments_in(self.tail)}
        for segment, rows in self._state.tail:
            if segment.path not in there and segment.last > self._last_sealed:
                self.gap = Gap(segment.first, segment.last, rows).joined(self.gap)
        left = tuple(file for file in self._state.tail if file[0].path in there)
        self._state = _State(left, self._state.number, self._state.rows)

    def give_up(self) -> None:
        """Count the rows that still wait in `gap`: there is no next flush."""
        if rows := self._state.rows:
            self.gap = Gap(rows[0]["iteration"], rows[-1]["iteration"], len(rows)).joined(self.gap)
            self._state = _State(self._state.tail, self._state.number)

    def _seal_all(self) -> None:
        total = sum(count for _, count in self._state.tail)
        if self.keep is not None and total > self.retain_rows:
            for part in parts(oldest(total - self.retain_rows, self._state.tail), self._rows_sealed):
                self._retire(part)
        for part in parts(self._state.tail, self._rows_sealed):
            self._seal(part)
        delete_strays(self.tail, self._state.tail)

    @property
    def _rows_sealed(self) -> int:
        """Rows sealed at a time by now, about."""
        return max(self.seal_rows, min(int(self.newest * self.seal_share), MOST_SEALED))

    def _check_order(self, row: Row) -> None:
        iteration, newest = row.get("iteration"), self.newest
        if not isinstance(iteration, (int, np.integer)) or iteration < 0:
            raise RunError(f"iteration is {iteration!r} (row for {self.sealed}); give each row a number from 0 up")
        repeated = self.repeats and iteration == newest > self._sealed_to
        if iteration <= newest and not repeated:
            raise RunError(
                f"iteration {iteration} came after iteration {newest} (row for {self.sealed}); rows must come in order"
            )

    def _write_tail(self, table: pa.Table, flushes: tuple[int, int]) -> Segment:
        first, last = table.column("iteration")[0].as_py(), table.column("iteration")[-1].as_py()
        name = f"{first:09d}-{last:09d}.{flushes[0]:06d}-{flushes[1]:06d}.parquet"
        write_whole(table, self.tail, name, fsync=self.fsync)
        return Segment(self.tail / name, first, last, flushes)

    def _merge(self) -> None:
        """Merge the newest files into one when there are many small ones."""
        rest, small = self._state.tail[:-MERGED_FILES], self._state.tail[-MERGED_FILES:]
        flushes = [segment.flushes for segment, _ in small if segment.flushes]
        rows = sum(count for _, count in small)
        if len(flushes) < MERGED_FILES or rows > self.merge_rows or any(start != end for start, end in flushes):
            return
        delete_strays(self.tail, self._state.tail)
        table = self._joined(small)
        segment = self._write_tail(table, (flushes[0][0], flushes[-1][1]))
        self._state = _State((*rest, (segment, rows)), self._state.number, self._state.rows)
        delete(small)

    def _retire(self, taken: Sequence[TailFile]) -> None:
        """Seal the files, oldest of the tail, thinned where rows are; few that are left of them wait for others."""
        if self.keep is None:
            self._seal(taken)
            return
        done = self._last_sealed
        if before := [file for file in taken if file[0].last <= done]:  # a seal cut short after its file appeared
            self._seal(before)
            taken = taken[len(before) :]
        if not taken:
            return
        table = self._joined(taken)
        kept = table.filter(pa.array(self._stays(table.column("iteration").to_numpy(), self.keep))).combine_chunks()
        if 2 * kept.num_rows >= self.seal_rows or kept.num_rows == table.num_rows:
            self._seal(taken, kept)
        else:
            self._put_back(taken, kept)
        self.left_out += table.num_rows - kept.num_rows
        self._thinned_to = taken[-1][0].last

    def _stays(self, iterations: np.ndarray, keep: Keep) -> np.ndarray:
        """Which rows are kept: those that were once, and of the others those that `keep` takes after the one before."""
        new = iterations > self._thinned_to
        before = [self._thinned_to] if self._thinned_to >= 0 else []
        stays = ~new
        stays[new] = keep(np.concatenate([before, iterations[new]]).astype(np.int64))[len(before) :]
        return stays

    def _put_back(self, taken: Sequence[TailFile], kept: pa.Table) -> None:
        """One file of the tail for several, of the rows that are kept of theirs."""
        left: list[TailFile] = []
        if kept.num_rows:
            first, last = taken[0][0].flushes or (0, 0), taken[-1][0].flushes or (0, 0)
            left.append((self._write_tail(kept, (first[0], last[1])), kept.num_rows))
        self._state = _State((*left, *self._state.tail[len(taken) :]), self._state.number, self._state.rows)
        delete([file for file in taken if [file[0].path] != [segment.path for segment, _ in left]])

    def _seal(self, taken: Sequence[TailFile], table: pa.Table | None = None) -> None:
        """Make the files, oldest of the tail, one sealed segment, and drop them from the tail.

        table : what is kept of their rows; None is all
        """
        self._sealed_to = done = self._last_sealed  # a seal cut short after its file appeared is not repeated
        left = [(segment, count) for segment, count in taken if segment.last > done]
        if left:
            name = f"{left[0][0].first:09d}-{left[-1][0].last:09d}.parquet"  # of thinned rows too: they are done
            groups = self._groups(left) if table is None else table
            options = {"via": self.tail, "fsync": self.fsync, "lasting": True}
            if write_whole(groups, self.sealed, name, self.group_rows, **options):
                self._tell_sealed(name)
            self._sealed_to = left[-1][0].last
        self._state = _State(self._state.tail[len(taken) :], self._state.number, self._state.rows)
        delete(taken)

    def _groups(self, files: Sequence[TailFile]) -> Iterator[pa.Table]:
        """The rows of these files, about GROUP_ROWS at a time."""
        for part in parts(files, GROUP_ROWS):
            yield self._joined(part).combine_chunks()

    def _tell_sealed(self, name: str) -> None:
        if self.on_seal is None:
            return
        try:
            self.on_seal()
        except Exception as error:  # what is made of sealed rows must not harm them
            if not self._told:
                say(f"{self.sealed / name} is whole, but what is made of it failed ({type(error).__name__}: {error})")
            self._told = True

    def _has_room(self, values: Mapping[str, Any]) -> bool:
        self._waiting += row_bytes(values)
        return self._waiting <= MOST_WAITING

    def _joined(self, files: Sequence[TailFile]) -> pa.Table:
        tables = [table for file in files if (table := self._read(*file)) is not None]
        return joined(tables, self._columns) if tables else to_table([], self._columns)

    def _read(self, segment: Segment, rows: int) -> pa.Table | None:
        """A file of the tail; one that the disk garbled is told and put aside, its rows are missing."""
        try:
            return read_segment(segment.path)
        except GARBLED as error:
            segment.path.rename(segment.path.with_suffix(".broken"))
            self.gap = Gap(segment.first, segment.last, rows).joined(self.gap)
            say(f"{segment.path} can no longer be read ({error}); its {rows:,} rows are missing from the log")
            return None

    @property
    def _last_sealed(self) -> int:
        return max((segment.last for segment in segments_in(self.sealed)), default=-1)

    def _recovered(self) -> _State:
        self._sealed_to, tail = recovered(self.sealed, self.tail, self._columns)
        flushes = [segment.flushes[1] for segment, _ in tail if segment.flushes]
        return _State(tuple(tail), max(flushes, default=-1) + 1)
