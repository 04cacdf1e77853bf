"""Append-only rows on disk: sealed Parquet segments for everyone, a tail of small files for `Run`.

A sealed file is whole, disjoint from the others, named by its first and last iteration, and never changed once visible, so
that whoever lists the folder sees every sealed row once. Names under way start with a dot: other readers skip them.
"""

import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from .columns import Row, to_table

Keep = Callable[[np.ndarray], np.ndarray]


def segment_name(table: pa.Table) -> str:
    """`<first>-<last>.parquet`, zero-padded so that names sort as numbers do."""
    iterations = table.column("iteration")
    return f"{iterations[0].as_py():09d}-{iterations[-1].as_py():09d}.parquet"


def segment_bounds(path: Path) -> tuple[int, int]:
    """(first, last) iteration of a segment, from its name."""
    first, last = path.stem.split("-")[:2]
    return int(first), int(last)


def segment_files(folder: Path) -> list[Path]:
    """The visible segments of a folder, in order."""
    try:
        names = os.listdir(folder)
    except FileNotFoundError:
        return []
    return [folder / name for name in sorted(names) if name.endswith(".parquet") and not name.startswith(".")]


def write_whole(table: pa.Table, folder: Path, name: str) -> None:
    """Write one Parquet file so that it appears under its name only when it is whole."""
    folder.mkdir(parents=True, exist_ok=True)
    hidden = folder / f".{name}"
    pq.write_table(table, hidden, compression="zstd")
    os.replace(hidden, folder / name)


class SegmentWriter:
    """Rows of one kind, flushed to the tail in small files and sealed from there.

    sealed, tail : the two folders
    flush_rows, flush_s : a flush happens at whichever comes first (rows; seconds)
    seal_rows : rows sealed at a time
    retain_rows : newest rows that stay in the tail, never thinned
    keep : which of the rows that leave the tail are kept (boolean mask from their iterations); None keeps all
    """

    def __init__(
        self,
        sealed: Path,
        tail: Path,
        *,
        flush_rows: int = 50,
        flush_s: float = 2.0,
        seal_rows: int = 2000,
        retain_rows: int = 0,
        keep: Keep | None = None,
    ) -> None:
        self.sealed, self.tail, self.keep = sealed, tail, keep
        self.flush_rows, self.flush_s = flush_rows, flush_s
        self.seal_rows, self.retain_rows = seal_rows, retain_rows
        self._rows: list[Row] = []
        self._flushed_at = time.monotonic()
        sealed.mkdir(parents=True, exist_ok=True)
        tail.mkdir(parents=True, exist_ok=True)
        self._tail = self._recover()

    def append(self, row: Row) -> None:
        """Take one row; written at the next flush."""
        self._rows.append(row)
        if len(self._rows) >= self.flush_rows or time.monotonic() - self._flushed_at >= self.flush_s:
            self.flush()

    def flush(self) -> None:
        """Write what was appended; from here on it survives the process."""
        self._flushed_at = time.monotonic()
        if not self._rows:
            return
        table = to_table(self._rows)
        name = segment_name(table)
        if self._tail and self._tail[-1][0].name == name:  # a second evaluation at the same iteration
            table = pa.concat_tables([pq.read_table(self._tail.pop()[0]), table], promote_options="default")
        write_whole(table, self.tail, name)
        self._tail.append((self.tail / name, table.num_rows))
        self._rows = []
        if sum(count for _, count in self._tail) >= self.seal_rows + self.retain_rows:
            self._seal(self.seal_rows)

    def close(self) -> None:
        """Flush and seal everything."""
        self.flush()
        total = sum(count for _, count in self._tail)
        if self.keep is not None and total > self.retain_rows:
            self._seal(total - self.retain_rows)
        self._seal(total, thin=False)

    def _seal(self, rows: int, thin: bool = True) -> None:
        """Merge the oldest tail files, `rows` rows or a little less, into one sealed segment."""
        taken: list[Path] = []
        for path, count in self._tail:
            if (rows := rows - count) < 0:
                break
            taken.append(path)
        if not taken:
            return
        table = pa.concat_tables([pq.read_table(path) for path in taken], promote_options="default")
        if thin and self.keep is not None:
            table = table.filter(pa.array(self.keep(table.column("iteration").to_numpy())))
        if table.num_rows:
            write_whole(table.combine_chunks(), self.sealed, segment_name(table))
        self._tail = self._tail[len(taken) :]
        for path in taken:
            path.unlink()

    def _recover(self) -> list[tuple[Path, int]]:
        """Tail files a killed writer left, less those it had already sealed, and no half-written ones."""
        for folder in (self.sealed, self.tail):
            for half in folder.glob(".*.parquet"):
                half.unlink()
        sealed = segment_files(self.sealed)
        last_sealed = segment_bounds(sealed[-1])[1] if sealed else -1
        left = []
        for path in segment_files(self.tail):
            if segment_bounds(path)[1] <= last_sealed:
                path.unlink()
            else:
                left.append((path, pq.read_metadata(path).num_rows))
        return left
