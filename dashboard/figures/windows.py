"""What a figure reads of a run: a stretch of it in as many points as can be seen, whatever its length."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from ...runs.run import Run
from .sampling import COLUMNS, POINTS

EVERY_ROW = "skipped"
"""A column that every iteration has, read along so that the iterations are counted where a signal was not recorded."""


def lines_of(
    run: Run, columns: Sequence[str], first: int | None = None, last: int | None = None, points: int = POINTS
) -> pd.DataFrame:
    """Columns of a run for lines: every recorded row, or the lowest and the highest of each bin one after the other.

    columns     : scalar columns; one that the run has not is left out
    first, last : iterations, both included; None is the run's own
    points      : rows, at most
    Returns iteration x column, NaN where nothing was recorded; `.attrs["iterations"]` is how many it stands for.
    """
    table = _window(run, columns, first, last, points, halved=True)
    names = [name for name in columns if ("min", name, "") in table.columns]
    low, high, mean = (_scalars(table, kind, names) for kind in ("min", "max", "mean"))
    if table.attrs["width"] > 1:
        falls = _falls(mean)
        low, high = low.where(~falls, high), high.where(~falls, low)
    return _lines(table, low, high)


def entry_lines_of(
    run: Run, column: str, first: int | None = None, last: int | None = None, points: int = POINTS
) -> pd.DataFrame:
    """The same of the entries of a list column: iteration x parameter, class or frame bin; empty where it has none.

    Of bins, a row with the lowest of every entry is followed by one with the highest of every entry.
    """
    table = _window(run, [column], first, last, points, halved=True)
    if column not in table.columns.get_level_values(1):
        return _noted(pd.DataFrame(), iterations=0)
    return _lines(table, pd.DataFrame(table["min"][column]), pd.DataFrame(table["max"][column]))


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
    return bands_of(run, column, first, last, columns=columns)[by]


def bands_of(
    run: Run, column: str, first: int | None = None, last: int | None = None, *, columns: int = COLUMNS
) -> dict[str, pd.DataFrame]:
    """The "min", "max" and "mean" of a list column in the same bins, each as `binned_of` gives it."""
    table = _window(run, [column], first, last, columns)
    held = column in table.columns.get_level_values(1)
    noted = {"width": table.attrs["width"], "iterations": _count(table) if held else 0}
    return {
        kind: _noted(pd.DataFrame(table[kind][column]) if held else pd.DataFrame(), **noted)
        for kind in ("min", "max", "mean")
    }


def around(table: pd.DataFrame, first: int | None = None, last: int | None = None) -> pd.DataFrame:
    """Rows of a stretch and one more on either side, so that lines through few rows reach its edges.

    table : iteration (ascending) x anything
    """
    begin = 0 if first is None else max(0, int(table.index.searchsorted(first)) - 1)
    end = len(table) if last is None else int(table.index.searchsorted(last, side="right")) + 1
    return table.iloc[begin:end]


def span_of_run(run: Run, first: int | None = None, last: int | None = None) -> tuple[float, float]:
    """First and last iteration of a stretch; what is None is the run's own, counted from 0."""
    return float(first or 0), float((run.last_iteration or 0) if last is None else last)


def _window(
    run: Run, columns: Sequence[str], first: int | None, last: int | None, points: int, *, halved: bool = False
) -> pd.DataFrame:
    """Rows where they fit, else bins; a pair of values a bin takes half as many, and the last bin may be a part."""
    recorded = set(run.columns)
    held = [name for name in columns if name in recorded]
    if not held:
        empty = pd.DataFrame(index=pd.Index([], name="iteration", dtype=np.int64), columns=_NO_COLUMNS)
        empty.attrs["width"] = 1
        return empty
    asked = list(dict.fromkeys([*held, EVERY_ROW] if EVERY_ROW in recorded else held))
    table = run.window(asked, first, last, max(1, points // 2 - 1 if halved else points - 1))
    if not 1 < table.attrs["width"] <= NEARLY_ROWS:
        return table
    rows = run.window(asked, first, last, points)
    return rows if rows.attrs["width"] == 1 else table


NEARLY_ROWS = 4
"""Iterations in a bin up to which the rows themselves may fit; ours, twice what halving makes of rows."""

_NO_COLUMNS = pd.MultiIndex.from_tuples([], names=("statistic", "column", "entry"))


def _scalars(table: pd.DataFrame, kind: str, names: Sequence[str]) -> pd.DataFrame:
    return pd.DataFrame({name: table[kind, name, ""] for name in names}, index=table.index)


def _falls(mean: pd.DataFrame) -> np.ndarray:
    """Where the mean of a bin lies below that of the bin before: drawn from the highest to the lowest."""
    values = mean.to_numpy(dtype=np.float64)
    with np.errstate(invalid="ignore"):
        return np.diff(values, axis=0, prepend=values[:1]) < 0


def _lines(table: pd.DataFrame, start: pd.DataFrame, end: pd.DataFrame) -> pd.DataFrame:
    """Rows as they are; of bins, `start` at its first iteration and `end` at its middle."""
    width = table.attrs["width"]
    if width == 1:
        return _noted(start, iterations=len(table))
    index = np.repeat(table.index.to_numpy(dtype=np.float64), 2) + np.tile([0, width / 2], len(table))
    values = np.empty((2 * len(table), start.shape[1]), dtype=np.float64)
    values[0::2], values[1::2] = start, end
    return _noted(pd.DataFrame(values, pd.Index(index, name="iteration"), start.columns), iterations=_count(table))


def _count(table: pd.DataFrame) -> int:
    """Iterations that the table stands for."""
    return len(table) if table.attrs["width"] == 1 else int(table["count"].to_numpy().max(axis=1).sum())


def _noted(table: pd.DataFrame, **notes: int) -> pd.DataFrame:
    table.attrs.clear()
    table.attrs.update(notes)
    return table
