"""The newest value of a recorded series, told apart: never recorded, or recorded and no longer finite."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from .tables import column


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
