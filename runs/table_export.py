"""A run as plain tables: one Parquet file with lists, or CSV with a column a number; the evaluations beside them."""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from ..diagnostics.errors import RunError
from .columns import Column, Columns, joined, matrix
from .reading import SegmentReader
from .run import Run

KINDS = ("iterations", "evaluations")


def export(name: str, logs: Path, form: str, folder: Path | None = None) -> Path:
    """Write a run as `parquet`, `csv` or `tensorboard`; returns the folder, which holds a file a table.

    folder : left out, `<form>/<run>`
    Raises RunError if the folder cannot be written, or holds an export already.
    """
    run = Run(name, logs)
    folder = Path(form) / run.name if folder is None else folder
    if form == "tensorboard":
        from .tensorboard import export_tensorboard

        export_tensorboard(run, folder)
        return folder
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for kind in KINDS:
            _write_whole(folder / f"{kind}.{form}", _tables(run, kind), WRITERS[form], run)
    except OSError as error:
        raise RunError(f"{folder} cannot be written ({error.strerror or error}); choose another with -o") from error
    return folder


Tables = Iterator[pa.Table]


def _write_whole(path: Path, tables: Tables, write: Callable[[Path, Tables, Run], None], run: Run) -> None:
    if path.exists():
        raise RunError(f"{path} is there already; choose another folder with -o")
    hidden = path.with_name(f".{path.name}")
    try:
        write(hidden, tables, run)
        os.replace(hidden, path)
    finally:
        hidden.unlink(missing_ok=True)


def _tables(run: Run, kind: str) -> Tables:
    """All rows in tables of the same columns, at least one; NaN for what a file lacks."""
    reader = SegmentReader(run.path / kind, run.path / "tail" / kind)
    schema = reader.schema()
    columns: Columns = {field.name: Column(field.type, _width(run, kind, field)) for field in schema}
    yield schema.empty_table()
    # Evaluations may repeat an iteration, and are few.
    yield from (joined([table], columns) for table in (reader.stream() if kind == "iterations" else reader.tables()))


def _width(run: Run, kind: str, field: pa.Field) -> int:
    return len(_entries(run, kind, field.name)) if pa.types.is_list(field.type) else 0


def _entries(run: Run, kind: str, column: str) -> list[Any]:
    """Names of a list's entries."""
    if kind == "iterations":
        return run.entries(column)
    if column.startswith("gate_openness"):
        return list(run.info.get("open_gates", []))
    return run.classes


def _to_parquet(path: Path, tables: Tables, run: Run) -> None:
    """One file, lists as they are; its metadata `flatline` is run.json, which names their entries."""
    first = next(tables)
    schema = first.schema.with_metadata({"flatline": json.dumps(run.info)})
    with path.open("wb") as file, pq.ParquetWriter(file, schema, compression="zstd", use_dictionary=False) as writer:
        for table in tables:
            writer.write_table(table.select(schema.names).cast(schema))


def _to_csv(path: Path, tables: Tables, run: Run) -> None:
    """A row an iteration; `<list>/<entry>` for each entry of a list, and nothing where nothing was recorded."""
    kind = path.name.removeprefix(".").partition(".")[0]
    first = next(tables)
    lists = {field.name: _entries(run, kind, field.name) for field in first.schema if pa.types.is_list(field.type)}
    with path.open("w", encoding="utf-8", newline="") as file:
        _flat(first, lists).to_csv(file, index=False)
        for table in tables:
            _flat(table, lists).to_csv(file, index=False, header=False)


def _flat(table: pa.Table, lists: dict[str, list[Any]]) -> pd.DataFrame:
    parts = []
    for name in table.column_names:
        if name in lists:
            labels = [f"{name}/{entry}" for entry in lists[name]]
            parts.append(pd.DataFrame(matrix(table.column(name), len(labels)), columns=labels))
        else:
            values = table.column(name).to_pandas()
            epoch = name == "epoch"
            parts.append((values.astype("Int64").where(values >= 0) if epoch else values).rename(name).to_frame())
    return pd.concat(parts, axis=1) if parts else pd.DataFrame({"iteration": np.empty(0, np.int64)})


WRITERS = {"parquet": _to_parquet, "csv": _to_csv}
