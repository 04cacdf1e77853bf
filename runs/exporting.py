"""A run's numbers under one name each, for formats that know scalars only."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from .reading import SegmentReader
from .run import Run

EVALUATION = "evaluation/"

LISTS = {"gradient_norm": "parameters", "lwlrap": "classes", f"{EVALUATION}class_lwlrap": "classes"}
"""Names `<list>/<entry>` that are one column of a run log, and what in run.json names the entries."""


@dataclass(frozen=True)
class Numbers:
    """What was recorded at one iteration, by name; what was not recorded is left out."""

    iteration: int
    wall_time: float
    values: list[tuple[str, float]]


def numbers(run: Run) -> Iterator[Numbers]:
    """Each iteration's numbers, then each evaluation's: `<signal>`, `<list>/<entry>` and `evaluation/<score>`."""
    yield from _of_rows(
        _coordinates(run, "iterations"),
        {"": run.scalars, "gradient_norm/": run.gradient_norms, "lwlrap/": run.lwlrap},
    )
    yield from _of_rows(
        _coordinates(run, "evaluations"),
        {EVALUATION: run.evaluation_scalars, f"{EVALUATION}class_lwlrap/": run.evaluation_lwlrap},
    )


def _coordinates(run: Run, kind: str) -> pd.DataFrame:
    """Iteration, wall time and epoch of each row; NaN where one was not recorded."""
    table = SegmentReader(run.path / kind, run.path / "tail" / kind).table(("wall_time", "epoch")).to_pandas()
    return table.assign(epoch=table["epoch"].where(table["epoch"] >= 0))


def _of_rows(rows: pd.DataFrame, tables: Mapping[str, pd.DataFrame]) -> Iterator[Numbers]:
    """`tables` by the prefix of their names; the first one's is the epoch's too."""
    epoch = f"{next(iter(tables))}epoch"
    names = np.array([epoch, *(f"{prefix}{name}" for prefix, table in tables.items() for name in table)], dtype=object)
    n_rows = min(len(rows), *map(len, tables.values()))  # a live run may have grown between two tables
    columns = [rows[["epoch"]], *tables.values()]
    values = np.hstack([table.to_numpy(np.float32)[:n_rows] for table in columns])
    wall_times = rows["wall_time"].fillna(0.0)
    for iteration, wall_time, row in zip(rows["iteration"], wall_times, values, strict=False):
        seen = np.flatnonzero(~np.isnan(row))
        if seen.size:
            yield Numbers(int(iteration), float(wall_time), list(zip(names[seen], row[seen].tolist(), strict=True)))
