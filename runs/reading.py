"""Reading a folder of segments while somebody may be writing it."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ..diagnostics.errors import RunError
from .columns import FIXED_TYPES
from .places import is_remote
from .segments import UNREADABLE, Segment, open_segment, read_segment, sealed_segments, tail_segments
from .store import StoreError

COORDINATES = ("iteration", "epoch", "wall_time")

ATTEMPTS = 20
"""Times a listing is tried again when a tail file was sealed between listing and reading; one retry is the rule."""


FileMark = tuple[int, int] | tuple[str, ...]


@dataclass
class _File:
    """What is known of one file, and its columns that were read; `mark` tells it from a later namesake."""

    mark: FileMark
    schema: pa.Schema
    rows: int
    columns: dict[str, pa.ChunkedArray] = field(default_factory=dict)

    @cached_property
    def names(self) -> frozenset[str]:
        """Columns of the file."""
        return frozenset(self.schema.names)

    def holds(self, wanted: Sequence[str]) -> bool:
        """Whether what the file has of these columns was read."""
        return all(name in self.columns or name not in self.names for name in wanted)


class SegmentReader:
    """Sealed segments and tail as one table; files once read are not read again (they never change)."""

    def __init__(self, sealed: Path, tail: Path) -> None:
        self.sealed, self.tail = sealed, tail
        self._files: dict[Path, _File] = {}

    def schema(self) -> pa.Schema:
        """Columns of all files, those of the newest first; empty before the first flush."""
        fields = {field.name: field for file in self._opened()[::-1] for field in reversed(file.schema)}
        return pa.schema(list(fields.values())[::-1])

    def scalar_names(self) -> list[str]:
        """Columns with one number a row, less the row's own coordinates."""
        return [field.name for field in self.schema() if field.name not in COORDINATES and _is_number(field.type)]

    def last_iteration(self) -> int | None:
        """The newest iteration on disk, from a file's name alone."""
        return max((segment.last for segment in self.segments()), default=None)

    def table(self, columns: Sequence[str]) -> pa.Table:
        """The columns of every row, each row once, in order; a column a file lacks is null there."""
        wanted = list(dict.fromkeys(("iteration", *columns)))
        files = self._opened(wanted)
        return pa.table({name: _stacked(files, name) for name in wanted})

    def parts(
        self, column: str, opened: dict[Path, pq.ParquetFile], *, newest: bool = False
    ) -> Iterator[tuple[int, pa.ChunkedArray | None]]:
        """Of each file its rows and what it has of a column, which is not kept; None where it lacks the column.

        opened : files that stay open from one column to the next
        newest : of the newest file alone
        Raises as `open` and pyarrow do, also for a file that was sealed meanwhile.
        """
        self._opened()
        for path, file in list(self._files.items())[-1 if newest else 0 :]:
            if column not in file.names:
                yield file.rows, None
                continue
            if path not in opened:
                opened[path] = open_segment(path)
            yield file.rows, opened[path].read(columns=[column], use_threads=False).column(0)

    def tables(self) -> list[pa.Table]:
        """Every row once, in order, a table a file, each with the columns of its own."""
        files = self._opened(self.schema().names)
        return [pa.table({name: file.columns[name] for name in file.schema.names}) for file in files]

    def stream(self) -> Iterator[pa.Table]:
        """As `tables`, one at a time, so that no more is in memory; for rows whose iterations do not repeat."""
        done, tries = -1, 0
        while left := [segment for segment in self.segments() if segment.last > done]:
            for segment in left:
                try:
                    table = read_rows(segment, None, self.sealed)
                except FileNotFoundError:  # sealed between the listing and the read
                    tries += 1
                    break
                if table is not None and done >= segment.first:  # sealed with rows that the tail gave already
                    table = table.slice(int((table.column("iteration").to_numpy() <= done).sum()))
                if table is not None and table.num_rows:
                    yield table
                done = segment.last
            else:
                return
            if tries == ATTEMPTS:
                raise RunError(f"{self.sealed} changed under every one of {ATTEMPTS} reads; read it again")

    def segments(self) -> list[Segment]:
        """Sealed files, then those of the tail that are not sealed yet.

        The tail is listed first: a row that moves between the two listings is then seen twice, and dropped by its name
        here; the other way round it would be missed.
        """
        tail = tail_segments(self.tail)
        sealed = sealed_segments(self.sealed)
        last = sealed[-1].last if sealed else -1
        return sealed + [segment for segment in tail if segment.last > last]

    def _opened(self, wanted: Sequence[str] = ()) -> list[_File]:
        """Every file with at least these columns read; files that are gone are forgotten.

        Raises RunError where a sealed file cannot be read, or where files went under every attempt.
        """
        for _ in range(ATTEMPTS):
            try:
                segments = self.segments()
                files = {segment.path: self._file(segment, wanted) for segment in segments}
            except FileNotFoundError:  # sealed between the listing and the read
                continue
            self._files = {path: file for path, file in files.items() if file is not None}
            return list(self._files.values())
        raise RunError(f"{self.sealed} changed under every one of {ATTEMPTS} reads; read it again")

    def _file(self, segment: Segment, wanted: Sequence[str]) -> _File | None:
        """The file with these columns read; None for a file of the tail that a power cut left half written."""
        with _told(segment, self.sealed):
            return self._read(segment.path, wanted)
        return None

    def _read(self, path: Path, wanted: Sequence[str]) -> _File:
        mark = file_mark(path)
        known = self._files.get(path)
        if known is not None and known.mark == mark and known.holds(wanted):
            return known
        with open_segment(path) as parquet:
            if known is None or known.mark != mark:
                known = _File(mark, parquet.schema_arrow, parquet.metadata.num_rows)
                self._files[path] = known
            if missing := [name for name in wanted if name in known.names and name not in known.columns]:
                table = parquet.read(columns=missing, use_threads=False)
                known.columns.update({name: table.column(name) for name in missing})
        return known


def read_rows(segment: Segment, columns: Sequence[str] | None, sealed: Path) -> pa.Table | None:
    """Those of the columns that a file has; None for one of the tail that a power cut left half written.

    columns : None is all
    Raises FileNotFoundError for one that is gone, RunError for a sealed one that cannot be read.
    """
    with _told(segment, sealed):
        return read_segment(segment.path, None if columns is None else list(columns))
    return None


def file_mark(path: Path) -> FileMark:
    """What tells a file from a later one of its name."""
    if is_remote(path):
        return path.mark()
    stat = os.stat(path)
    return stat.st_ino, stat.st_mtime_ns


@contextmanager
def _told(segment: Segment, sealed: Path) -> Iterator[None]:
    """Says which sealed file cannot be read, and passes over one of the tail."""
    try:
        yield
    except (FileNotFoundError, StoreError):
        raise
    except UNREADABLE as error:
        if segment.flushes is None:
            raise RunError(
                f"{segment.path} cannot be read ({error}); move it out of {sealed} to read the rest of the run"
            ) from error


def _stacked(files: list[_File], name: str) -> pa.ChunkedArray:
    """One column from its files; null where a file lacks it, as many rows as the file has."""
    kinds = (file.columns[name].type for file in files if name in file.columns)
    kind = next(kinds, FIXED_TYPES.get(name, pa.float32()))
    columns = [
        file.columns[name] if name in file.columns else pa.chunked_array([pa.nulls(file.rows, kind)]) for file in files
    ]
    return pa.chunked_array([chunk for column in columns for chunk in column.chunks], type=kind)


def is_numeric(field: pa.Field) -> bool:
    """Whether it is a column of numbers or of lists of them, less the row's own number."""
    kind = field.type.value_type if pa.types.is_list(field.type) else field.type
    return field.name != "iteration" and _is_number(kind)


def _is_number(kind: pa.DataType) -> bool:
    return pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_boolean(kind)
