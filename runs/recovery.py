"""What a killed writer left, taken up by the next one."""

from pathlib import Path

import pyarrow as pa

from .columns import Columns, columns_of
from .segments import UNREADABLE, Segment, open_segment, segments_in, tail_segments


def recovered(sealed: Path, tail: Path, columns: Columns) -> tuple[int, list[tuple[Segment, int]]]:
    """The last sealed iteration (-1 for none) and the tail's files with their rows, less what is sealed already.

    Half-written files and those that no longer count are deleted; the columns that are found are added to `columns`, so
    that they go on with their types.
    """
    for folder in (sealed, tail):
        for half in folder.glob(".*.parquet"):
            half.unlink()
    segments = segments_in(sealed)
    done, counted = max((segment.last for segment in segments), default=-1), tail_segments(tail)
    found = []
    for segment in segments_in(tail):
        if segment.last <= done or segment not in counted:
            segment.path.unlink()
        elif (rows := _rows_of(segment, columns)) is not None:
            found.append((segment, rows))
    for segment in segments[-1:]:
        _learn(segment.path, columns)
    return done, found


def _rows_of(segment: Segment, columns: Columns) -> int | None:
    """Rows of a tail file; one that is not whole (after a power cut) is put aside, its rows are lost."""
    try:
        _learn(segment.path, columns)
        with open_segment(segment.path) as file:
            return file.metadata.num_rows
    except UNREADABLE:
        segment.path.rename(segment.path.with_suffix(".broken"))
        return None


def _learn(path: Path, columns: Columns) -> None:
    with open_segment(path) as file:
        first = pa.Table.from_batches([next(file.iter_batches(batch_size=1))])
    for name, column in columns_of(first).items():
        if columns.get(name, column).width <= column.width:
            columns[name] = column
