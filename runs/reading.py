"""Reading a folder of segments while somebody may be writing it."""

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ..diagnostics.errors import RunError
from .columns import FIXED_TYPES
from .segments import segment_bounds, segment_files

COORDINATES = ("iteration", "epoch", "wall_time")

ATTEMPTS = 20
"""Times a listing is tried again when a tail file was sealed between listing and reading; one retry is the rule."""


class SegmentReader:
    """Sealed segments and tail as one table; files once read are not read again (they never change)."""

    def __init__(self, sealed: Path, tail: Path) -> None:
        self.sealed, self.tail = sealed, tail
        self._read: dict[tuple[Path, str], pa.ChunkedArray | None] = {}

    def schema(self) -> pa.Schema:
        """Columns of the newest file; empty before the first flush."""
        for _ in range(ATTEMPTS):
            files = self._files()
            try:
                return pq.read_schema(files[-1]) if files else pa.schema([])
            except FileNotFoundError:  # sealed between the listing and the read
                continue
        raise _busy(self.sealed)

    def scalar_names(self) -> list[str]:
        """Columns with one number a row, less the row's own coordinates."""
        return [field.name for field in self.schema() if field.name not in COORDINATES and not _is_list(field.type)]

    def last_iteration(self) -> int | None:
        """The newest iteration on disk, from a file's name alone."""
        files = self._files()
        return segment_bounds(files[-1])[1] if files else None

    def table(self, columns: Sequence[str]) -> pa.Table:
        """The columns of every row, each row once, in order; a column a file lacks is null there."""
        wanted = list(dict.fromkeys(("iteration", *columns)))
        for _ in range(ATTEMPTS):
            try:
                parts = [self._columns(path, wanted) for path in self._files()]
            except FileNotFoundError:  # sealed between the listing and the read
                continue
            self._forget_gone()
            return _joined(parts, wanted)
        raise _busy(self.sealed)

    def files_holding(self, iteration: int) -> list[Path]:
        """Files whose range of iterations includes this one."""
        bounds = {path: segment_bounds(path) for path in self._files()}
        return [path for path, (first, last) in bounds.items() if first <= iteration <= last]

    def _files(self) -> list[Path]:
        """Sealed files, then those of the tail that are not sealed yet.

        The tail is listed first: a row that moves between the two listings is then seen twice, and dropped by its name here;
        the other way round it would be missed.
        """
        tail = segment_files(self.tail)
        sealed = segment_files(self.sealed)
        last = segment_bounds(sealed[-1])[1] if sealed else -1
        return sealed + [path for path in tail if segment_bounds(path)[1] > last]

    def _columns(self, path: Path, wanted: list[str]) -> dict[str, pa.ChunkedArray | None]:
        missing = [name for name in wanted if (path, name) not in self._read]
        if missing:
            have = set(pq.read_schema(path).names)
            table = pq.read_table(path, columns=[name for name in missing if name in have])
            for name in missing:
                self._read[path, name] = table.column(name) if name in have else None
        return {name: self._read[path, name] for name in wanted}

    def _forget_gone(self) -> None:
        """Drop what was read of tail files that have been sealed since."""
        gone = {path for path, _ in self._read if path.parent == self.tail and not path.exists()}
        self._read = {key: value for key, value in self._read.items() if key[0] not in gone}


def _joined(parts: list[dict[str, pa.ChunkedArray | None]], wanted: list[str]) -> pa.Table:
    return pa.table({name: _stacked([(part[name], part["iteration"]) for part in parts], name) for name in wanted})


def _stacked(columns: list[tuple[pa.ChunkedArray | None, pa.ChunkedArray | None]], name: str) -> pa.ChunkedArray:
    """One column from its parts; null where a file lacks it, as many rows as the file has."""
    kind = next((column.type for column, _ in columns if column is not None), FIXED_TYPES.get(name, pa.float32()))
    filled = [
        pa.chunked_array([pa.nulls(len(rows or ()), kind)]) if column is None else column for column, rows in columns
    ]
    return pa.chunked_array([chunk for column in filled for chunk in column.chunks], type=kind)


def _is_list(kind: pa.DataType) -> bool:
    return pa.types.is_list(kind) or pa.types.is_binary(kind)


def _busy(folder: Path) -> RunError:
    return RunError(f"{folder} changed under every one of {ATTEMPTS} reads; read it again")
