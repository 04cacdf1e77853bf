"""Rows (dicts) to Arrow tables and back: the types of the run log's columns."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from ..diagnostics.errors import RunError

Row = Mapping[str, Any]

NUMBER = pa.float32()
NUMBERS = pa.list_(pa.float32())

FIXED_TYPES = {
    "iteration": pa.int64(),
    "epoch": pa.int32(),
    "wall_time": pa.float64(),
    "skipped": pa.bool_(),
}

UNRECORDED = {pa.int64(): -1, pa.int32(): -1, pa.bool_(): False, pa.string(): "", pa.binary(): b""}
"""What stands for "not recorded" in the types that have no NaN."""


@dataclass(frozen=True)
class Column:
    """Type of a column; `width` is that of its lists where they are seen first, 0 for other types."""

    kind: pa.DataType
    width: int = 0


Columns = dict[str, Column]


def column_of(name: str, value: Any) -> Column:
    """Type of a column: fixed ones by name, otherwise from its first value; numbers are float32."""
    if name in FIXED_TYPES:
        return Column(FIXED_TYPES[name])
    if isinstance(value, bytes):
        return Column(pa.binary())
    if isinstance(value, str):
        return Column(pa.string())
    return Column(NUMBERS, np.size(value)) if _is_array(value) else Column(NUMBER)


def columns_of(table: pa.Table) -> Columns:
    """Columns of a table that was written earlier."""
    found = {}
    for name, column in zip(table.column_names, table.columns, strict=True):
        is_list = pa.types.is_list(column.type) and len(column)
        found[name] = Column(column.type, len(column[0].as_py() or ()) if is_list else 0)
    return found


def typed(row: Row, columns: Columns) -> dict[str, Any]:
    """The row's values as they will be written, its arrays copied; columns not seen before are added to `columns`.

    Raises RunError, and adds nothing, for a value that its column cannot hold.
    """
    given = {name: value for name, value in row.items() if value is not None}
    new = {name: column_of(name, value) for name, value in given.items() if name not in columns}
    known = {**columns, **new}
    values = {name: _cast(name, value, known[name].kind, row) for name, value in given.items()}
    columns.update(new)
    return values


def _cast(name: str, value: Any, kind: pa.DataType, row: Row) -> Any:
    try:
        if kind == NUMBERS:
            with np.errstate(over="ignore"):
                return np.array(value, dtype=np.float32).ravel()
        if kind in (NUMBER, pa.float64()):
            return float(value)
        if kind in (pa.int64(), pa.int32()):
            return int(value)
        if kind == pa.bool_():
            return bool(value)
        if isinstance(value, bytes if kind == pa.binary() else str):
            return value
    except (TypeError, ValueError, OverflowError):
        pass
    raise RunError(
        f"column {name!r} holds {kind} and cannot take {_shortened(value)} "
        f"(RunLog, iteration {row.get('iteration')}); give each column values of one type"
    )


def _shortened(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def to_table(rows: Sequence[Row], columns: Columns) -> pa.Table:
    """An Arrow table of typed rows; what a row lacks is NaN there (never null, never zero)."""
    arrays = {name: _array([row.get(name) for row in rows], column) for name, column in columns.items()}
    return pa.table(arrays)


def joined(tables: Iterable[pa.Table], columns: Columns) -> pa.Table:
    """Tables one below the other; where one lacks a column it is NaN."""
    return pa.concat_tables(
        pa.table({name: _column_in(table, name, column) for name, column in columns.items()}) for table in tables
    )


def _column_in(table: pa.Table, name: str, column: Column) -> pa.Array | pa.ChunkedArray:
    return table.column(name) if name in table.column_names else _array([None] * table.num_rows, column)


def _array(values: list[Any], column: Column) -> pa.Array:
    if column.kind == NUMBERS:
        return _list_array(values, column.width)
    if pa.types.is_floating(column.kind):
        numbers = np.array([np.nan if value is None else value for value in values])
        with np.errstate(over="ignore"):  # beyond float32 is inf, as the optimiser's own arithmetic would have it
            return pa.array(numbers.astype(column.kind.to_pandas_dtype()))
    nothing = UNRECORDED.get(column.kind)
    return pa.array([nothing if value is None else value for value in values], type=column.kind)


def _list_array(values: list[Any], width: int) -> pa.ListArray:
    """One list<float32> column from arrays; built from one buffer, ten times faster than value by value."""
    nothing = np.full(width, np.nan, dtype=np.float32)
    arrays = [nothing if value is None else value for value in values]
    offsets = np.concatenate([[0], np.cumsum([array.size for array in arrays])]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(np.concatenate(arrays) if arrays else nothing[:0]))


def _is_array(value: Any) -> bool:
    return isinstance(value, (list, tuple)) or (isinstance(value, np.ndarray) and value.ndim > 0)


def matrix(column: pa.ChunkedArray, width: int, out: np.ndarray | None = None) -> np.ndarray:
    """(row, width) float32 of a list column, in `out` where given; NaN where a list is shorter or was not recorded."""
    out = np.empty((len(column), width), dtype=np.float32) if out is None else out
    row = 0
    for chunk in column.chunks:
        offsets = chunk.offsets.to_numpy()
        values = chunk.values.to_numpy(zero_copy_only=False)
        sizes = np.diff(offsets)
        if len(chunk) and (sizes == width).all():
            out[row : row + len(chunk)] = values[offsets[0] : offsets[-1]].reshape(len(chunk), width)
        else:
            out[row : row + len(chunk)] = np.nan
            for index in np.flatnonzero(sizes):
                start, size = offsets[index], min(sizes[index], width)
                out[row + index, :size] = values[start : start + size]
        row += len(chunk)
    return out


def widest(column: pa.ChunkedArray) -> int:
    """Length of a list column's longest list; 0 for an empty one."""
    return max((int(np.diff(chunk.offsets.to_numpy()).max(initial=0)) for chunk in column.chunks), default=0)
