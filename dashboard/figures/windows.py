"""What a figure reads of a run: a stretch of it in as many points as can be seen, whatever its length."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from ...runs.run import Run
from .sampling import COLUMNS, POINTS


def lines_of(
    run: Run, columns: Sequence[str], first: int | None = None, last: int | None = None, points: int = POINTS
) -> pd.DataFrame:
    """Columns of a run for lines: every recorded row, or the lowest and the highest of each bin one after the other.

    columns     : scalar columns; one that the run has not is left out
    first, last : iterations, both included; None is the run's own
    points      : rows, at most
    Returns iteration x column; `.attrs["iterations"]` is how many it stands for.
    """
    table = _window(run, columns, first, last, points, halved=True)
    names = [name for name in columns if ("min", name, "") in table.columns]
    low, high = (table[kind].droplevel("entry", axis=1).reindex(columns=names) for kind in ("min", "max"))
    if table.attrs["width"] == 1:
        return _noted(low, len(table))
    step = table.attrs["width"] / 2
    index = np.repeat(table.index.to_numpy(dtype=np.float64), 2) + np.tile([0, step], len(table))
    turned = _falls(table, names)  # the lowest comes first where the bin rises
    values = np.empty((2 * len(table), len(names)), dtype=np.float64)
    values[0::2] = np.where(turned, high, low)
    values[1::2] = np.where(turned, low, high)
    return _noted(pd.DataFrame(values, pd.Index(index, name="iteration"), names), _count(table))


def entry_lines_of(
    run: Run, column: str, first: int | None = None, last: int | None = None, points: int = POINTS
) -> pd.DataFrame:
    """The same of the entries of a list column: iteration x parameter, class or frame bin; empty where it has none."""
    table = _window(run, [column], first, last, points, halved=True)
    if not len(table.columns):
        return _noted(pd.DataFrame(), 0)
    low, high = (table[kind][column] for kind in ("min", "max"))
    if table.attrs["width"] == 1:
        return _noted(low, len(table))
    step = table.attrs["width"] / 2
    index = np.repeat(table.index.to_numpy(dtype=np.float64), 2) + np.tile([0, step], len(table))
    values = np.empty((2 * len(table), low.shape[1]), dtype=np.float64)
    values[0::2], values[1::2] = low, high
    return _noted(pd.DataFrame(values, pd.Index(index, name="iteration"), low.columns), _count(table))


def binned_of(
    run: Run,
    column: str,
    first: int | None = None,
    last: int | None = None,
    *,
    by: str = "min",
    columns: int = COLUMNS,
) -> pd.DataFrame:
    """A list column of a run for a heatmap: one statistic of each bin of iterations, "min", "max" or "mean".

    Returns bin x entry, indexed by the bin's first iteration; `.attrs` has `width`, the iterations in a bin (1 for
    rows as they were recorded), and `iterations`, how many it stands for. Empty where the run has no such column.
    """
    table = _window(run, [column], first, last, columns)
    values = table[by][column] if len(table.columns) else pd.DataFrame()
    values.attrs = {"width": table.attrs["width"], "iterations": _count(table)}
    return values


def _window(
    run: Run, columns: Sequence[str], first: int | None, last: int | None, points: int, *, halved: bool = False
) -> pd.DataFrame:
    """Rows where they fit, else bins; a pair of values a bin takes half as many."""
    held = [name for name in columns if name in run.columns]
    if not held:
        empty = pd.DataFrame(index=pd.Index([], name="iteration", dtype=np.int64))
        empty.attrs["width"] = 1
        return empty
    table = run.window(held, first, last, points)
    return run.window(held, first, last, points // 2) if halved and table.attrs["width"] > 1 else table


def _falls(table: pd.DataFrame, names: Sequence[str]) -> np.ndarray:
    """Where the mean of a bin lies below that of the bin before: drawn from the highest to the lowest."""
    mean = table["mean"].droplevel("entry", axis=1).reindex(columns=names).to_numpy()
    with np.errstate(invalid="ignore"):
        return np.diff(mean, axis=0, prepend=mean[:1]) < 0


def _count(table: pd.DataFrame) -> int:
    """Iterations that the table stands for."""
    return int(table["count"].max(axis=1).sum()) if "count" in table.columns.get_level_values(0) else len(table)


def _noted(table: pd.DataFrame, iterations: int) -> pd.DataFrame:
    table.attrs = {"iterations": iterations}
    return table
