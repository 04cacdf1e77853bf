"""Files of a folder of rows: what they are called, which of them count, and how one appears whole.

A sealed segment is `<first>-<last>.parquet` by its iterations. A file of the tail is
`<first>-<last>.<from>-<to>.parquet`: it holds flush number `from` to `to`. A tail file whose flushes another one holds
too has been merged into that one and no longer counts.
"""

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from .fetching import local_file
from .jsons import sync_folder
from .places import is_remote

NAME = re.compile(r"(\d+)-(\d+)(?:\.(\d+)-(\d+))?\.parquet")

GROUP_ROWS = 5_000
"""Rows of a row group at most, which is what a writer holds in memory of a segment; ours."""

GARBLED = (pa.ArrowInvalid, pa.ArrowNotImplementedError)

UNREADABLE = (*GARBLED, OSError)
"""What pyarrow raises on a file that is not whole; we never leave one, a power cut can."""


@dataclass(frozen=True)
class Segment:
    """A file of rows: its iterations and, in the tail, its flushes (None once sealed)."""

    path: Path
    first: int
    last: int
    flushes: tuple[int, int] | None = None


def segment_at(path: Path) -> Segment | None:
    """A segment by its name; None for a name of another form."""
    match = NAME.fullmatch(path.name)
    if match is None:
        return None
    first, last, start, end = match.groups()
    return Segment(path, int(first), int(last), None if start is None else (int(start), int(end)))


def segments_in(folder: Path) -> list[Segment]:
    """Every visible segment of a folder, in order of iterations."""
    if is_remote(folder):
        paths = list(folder.iterdir())
    else:
        try:
            paths = [folder / name for name in os.listdir(folder)]
        except FileNotFoundError:
            return []
    found = map(segment_at, paths)
    return sorted(
        (segment for segment in found if segment is not None),
        key=lambda segment: (segment.first, segment.last, segment.flushes or ()),
    )


def sealed_segments(folder: Path) -> list[Segment]:
    """Sealed files that count, in order of iterations.

    A store, which cannot rename, has some twice for a moment while a resumed run is put there.
    """
    return outermost(segments_in(folder)) if is_remote(folder) else segments_in(folder)


def outermost(segments: Iterable[Segment]) -> list[Segment]:
    """Those whose iterations no other holds too, in order."""
    counted: list[Segment] = []
    for segment in sorted(segments, key=lambda segment: (segment.first, -segment.last)):
        if not counted or segment.last > counted[-1].last:
            counted.append(segment)
    return counted


def tail_segments(folder: Path) -> list[Segment]:
    """The tail's files that count, in order of iterations.

    Listed until two listings agree: one that runs while files are merged may see neither the merged file nor its parts.
    """
    listed = segments_in(folder)
    while (again := segments_in(folder)) != listed:
        listed = again
    counted, covered = [], -1
    for segment in sorted(listed, key=_longest_first):
        if segment.flushes and segment.flushes[1] > covered:
            counted.append(segment)
            covered = segment.flushes[1]
    return counted


def _longest_first(segment: Segment) -> tuple[int, int, int]:
    start, end = segment.flushes or (0, -1)
    return start, -end, -segment.last


def segment_bounds(path: Path) -> tuple[int, int]:
    """(first, last) iteration of a segment, from its name."""
    first, last = path.name.split(".")[0].split("-")
    return int(first), int(last)


def segment_files(folder: Path) -> list[Path]:
    """The visible segments of a folder, in order."""
    return [segment.path for segment in segments_in(folder)]


def write_whole(
    tables: pa.Table | Iterable[pa.Table],
    folder: Path,
    name: str,
    group_rows: int = GROUP_ROWS,
    *,
    via: Path | None = None,
    fsync: bool = False,
    lasting: bool = False,
) -> int:
    """Write one Parquet file so that it appears under its name only when it is whole; returns its rows, 0 for no file.

    tables : of the same columns, in memory one after the other
    group_rows : rows of a row group at most
    via : folder of the same disk in which it is written under a name with a dot; None is `folder`. Other readers skip
        such names, all but polars: it must not find one where it reads
    fsync : wait until the disk has the file and its name
    lasting : take a little longer for a tenth fewer bytes
    Raises OSError as `open` does; nothing is left behind then.
    """
    hidden = (via or folder) / f".{name}"
    try:
        with hidden.open("wb") as file:  # a path in words would be taken for an address if it holds a colon
            rows = _write([tables] if isinstance(tables, pa.Table) else tables, file, group_rows, lasting)
            if fsync:
                file.flush()
                os.fsync(file.fileno())
        if not rows:
            hidden.unlink()
            return 0
        os.replace(hidden, folder / name)
        if fsync:
            sync_folder(folder)
        return rows
    except BaseException:
        with suppress(OSError):  # the first error is the one to tell
            hidden.unlink(missing_ok=True)
        raise


def _write(tables: Iterable[pa.Table], file: BinaryIO, group_rows: int, lasting: bool) -> int:
    rows = 0
    with ExitStack() as stack:
        writer = None
        for table in tables:
            if not table.num_rows:
                continue
            if writer is None:
                # Floats hardly repeat: without dictionaries a seal takes a fifth of the time and two thirds of the
                # bytes. What repeats are their first bytes, if they are put together.
                writer = pq.ParquetWriter(
                    file,
                    table.schema,
                    compression="zstd",
                    use_dictionary=False,
                    use_byte_stream_split=_floats(table.schema) if lasting else False,  # pyright: ignore[reportArgumentType]
                )
                stack.enter_context(writer)
            writer.write_table(table, group_rows)
            rows += table.num_rows
    return rows


def _floats(schema: pa.Schema) -> list[str]:
    """The columns of floats and of lists of them, as Parquet calls them."""
    lists = [field.name for field in schema if pa.types.is_list(field.type)]
    floats = [field.name for field in schema if pa.types.is_floating(field.type)]
    return floats + [
        f"{name}.list.element" for name in lists if pa.types.is_floating(schema.field(name).type.value_type)
    ]


def row_groups(path: Path) -> Iterator[pa.Table]:
    """The rows of one file, a row group at a time."""
    with open_segment(path) as file:
        for group in range(file.num_row_groups):
            yield file.read_row_group(group, use_threads=False)


def open_segment(path: Path) -> pq.ParquetFile:
    """The file, memory-mapped: its folder's name is never taken for a partition or an address."""
    return pq.ParquetFile(pa.memory_map(str(local_file(path))))


def read_segment(path: Path, columns: list[str] | None = None) -> pa.Table:
    """The rows of one file; `columns` that it lacks are left out."""
    with open_segment(path) as file:
        known = None if columns is None else [name for name in columns if name in file.schema_arrow.names]
        return file.read(columns=known, use_threads=False)
