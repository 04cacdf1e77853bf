"""What was recorded by class at exactly one iteration, or which iterations lie nearest."""

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd

from ...runs.run import Run

NEAR = 100
"""Rows to either side of an iteration among which the nearest recorded one is looked for, beside the newest."""


def recorded_rows(table: pd.DataFrame) -> pd.DataFrame:
    """The rows that hold a value; of several at one iteration (a resume may evaluate again) the last."""
    held = table.dropna(how="all")
    return held.loc[~held.index.duplicated(keep="last")]


def batch_rows(run: Run, column: str, first: int | None, last: int | None) -> pd.DataFrame:
    """Rows of a list column by class between two iterations, both included, as they were recorded; those with a value.

    first, last : at most a few hundred iterations apart; None is the run's newest row
    Returns iteration x class; empty where the run has no such column or no such row.
    """
    newest = run.last_iteration
    if column not in run.columns or newest is None:
        return pd.DataFrame(index=pd.Index([], name="iteration", dtype=np.int64))
    first, last = (newest if place is None else place for place in (first, last))
    if first > newest or last < 0:
        return pd.DataFrame(index=pd.Index([], name="iteration", dtype=np.int64))
    table = run.window([column], first, last, last - first + 1)
    return recorded_rows(table.xs("mean", axis=1).xs(column, axis=1))


def near_batches(run: Run, column: str, iteration: int) -> list[int]:
    """Iterations near one whose row holds values, and the newest that does: what `neighbours` is to choose from."""
    around = batch_rows(run, column, max(iteration - NEAR, 0), iteration + NEAR)
    return [*around.index, *batch_rows(run, column, None, None).index]


def neighbours(iterations: Iterable[int], iteration: int) -> list[int]:
    """The nearest before and the nearest after an iteration, where there are such.

    >>> neighbours([0, 50, 100, 150], 70), neighbours([0, 50], 70)
    ([50, 100], [50])
    """
    held = sorted({int(place) for place in iterations})
    return [*[place for place in held if place < iteration][-1:], *[place for place in held if place > iteration][:1]]


def nothing_at(iteration: int, nearest: Mapping[str, Iterable[int]]) -> str:
    """The words for an iteration at which nothing was recorded.

    nearest : iterations that hold values, by what was recorded there

    >>> nothing_at(70, {"evaluations": [0, 50, 100]})
    'Nothing was recorded at iteration 70; nearest: 50 and 100 (evaluations).'
    """
    found = {what: neighbours(places, iteration) for what, places in nearest.items()}
    named = [f"{' and '.join(f'{place:,}' for place in places)} ({what})" for what, places in found.items() if places]
    beside = f"nearest: {', '.join(named)}" if named else "nor is there anything at another"
    return f"Nothing was recorded at iteration {iteration:,}; {beside}."
