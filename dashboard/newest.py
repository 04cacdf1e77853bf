"""The newest value of a recorded series, told apart: never recorded, or recorded and no longer finite."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ..runs.run import Run
from .tables import column

ROWS = 1000
"""Newest rows that are read; more of a run that has not been finite for longer."""


@dataclass(frozen=True)
class Newest:
    """What stands at the end of a series.

    value : the newest; NaN both where nothing was recorded and where NaN was
    since : the iteration from which it has not been finite; None where it is finite or was never recorded
    """

    value: float
    since: int | None = None


def newest(series: pd.Series, recorded: pd.Series | None = None) -> Newest:
    """The end of a series by iteration, of the rows that hold a recorded value.

    A NaN after a finite value counts as a value that is not finite; a series that is NaN throughout as not recorded.

    recorded : bool by row: rows known to have been recorded, whatever they hold; None knows nothing about them
    """
    known = series.notna() if recorded is None else series.notna() | recorded
    if not known.any():
        return Newest(float("nan"))
    finite = np.flatnonzero(np.isfinite(series.to_numpy()))
    if len(finite) and finite[-1] == len(series) - 1:
        return Newest(float(series.iloc[-1]))
    first_bad = int(finite[-1]) + 1 if len(finite) else int(np.flatnonzero(known.to_numpy())[0])
    return Newest(float(series.iloc[-1]), int(series.index[first_bad]))


def newest_rows(run: Run, names: Sequence[str]) -> pd.DataFrame:
    """The newest rows of scalar columns: iteration x name, few of a long run, the last finite value of each among them.

    A column that the run has not is left out.
    """
    held, last = [name for name in names if name in run.columns], run.last_iteration
    if not held or last is None:
        return pd.DataFrame(index=pd.Index([], name="iteration"))
    rows = _rows(run, held, max(0, last - ROWS + 1), last)
    lost = [name for name in held if not np.isfinite(rows[name]).any()]
    parts = [_rows(run, held, *found) for found in map(lambda name: _last_finite(run, name), lost) if found]
    joined = pd.concat([*parts, rows]).sort_index()
    return joined.loc[~joined.index.duplicated(keep="last")]


def highest(run: Run, name: str) -> float:
    """The highest finite value of a scalar column of a run; NaN where there is none."""
    if name not in run.columns:
        return float("nan")
    values = run.window(name)["max"].to_numpy(dtype=float)
    return float(np.max(values[np.isfinite(values)], initial=-np.inf)) if np.isfinite(values).any() else float("nan")


def _rows(run: Run, names: Sequence[str], first: int, last: int) -> pd.DataFrame:
    table = run.window(list(names), first, last, last - first + 1)
    rows = pd.DataFrame({name: table["mean", name, ""] for name in names})
    return rows.astype(float)


def _last_finite(run: Run, name: str) -> tuple[int, int] | None:
    """First and last iteration of the stretch in which a column was finite last, and of the one after it."""
    table = run.window(name)
    finite = np.flatnonzero(np.isfinite(table["min"].to_numpy(dtype=float)).any(axis=1))
    if not len(finite):
        return None
    first, width = int(table.index[finite[-1]]), int(table.attrs["width"])
    return first, first + 2 * width - 1


def newest_loss(scalars: pd.DataFrame) -> Newest:
    """The loss of the newest iteration that a gradient scaler did not skip."""
    return newest(column(stepped(scalars), "loss"))


def newest_gradient(scalars: pd.DataFrame) -> Newest:
    """The total gradient norm of the newest iteration in which a gradient was seen."""
    rows = stepped(scalars)
    total, bad = column(rows, "gradient_norm_total"), column(rows, "nonfinite_gradients")
    if not bad.notna().any():
        return newest(total)
    seen = (total.notna() | bad.notna()).to_numpy()  # the count tells a gradient that is NaN from one not seen
    return newest(total.loc[seen], (bad > 0).loc[seen])


def newest_score(evaluations: pd.DataFrame) -> Newest:
    """The lwlrap of the newest evaluation; one that has a chance level had labels, so its NaN is of the scores."""
    chance = column(evaluations, "chance")
    return newest(column(evaluations, "lwlrap"), chance.notna() if len(chance) else None)


def stepped(scalars: pd.DataFrame) -> pd.DataFrame:
    """The rows that a gradient scaler did not skip: a skipped one has no gradient, and its overflow was expected."""
    skipped = column(scalars, "skipped")
    return scalars.loc[(~(skipped > 0)).to_numpy()] if len(skipped) else scalars
