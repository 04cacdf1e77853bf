"""What the curves of compared runs are read from: one line a run, or the median and the extremes of a group's runs."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from ...runs.comparing import aligned
from ...runs.run import Run
from ..tables import column
from .gradient_lines import part_norms
from .sampling import POINTS
from .windows import around, bands_of, entry_lines_of, lines_of

SCORE, LOSS, TOTAL, RNN = "lwlrap", "loss", "gradient_norm_total", "gradient_norm.rnn"
"""Names of the curves; the last is made of the parameters' norms."""

SCALARS = (LOSS, TOTAL)

VALUE, LOWEST, HIGHEST = "value", "lowest", "highest"
"""Columns of a curve; a single run has the first only where each of its iterations is drawn."""

Curves = dict[str, dict[str, pd.DataFrame]]


def curves_of(members: Mapping[str, Sequence[Run]], first: int | None = None, last: int | None = None) -> Curves:
    """The curves of runs and groups of runs from iteration `first` to `last`: by name of the curve, then by label.

    Of one run, `value` is what was recorded. Of a group, `value` is the median of its runs, between the `lowest` and
    `highest` of any, at iterations that all of them recorded. Of a long stretch the values of both are means of bins,
    between the lowest and highest of their iterations: lines through all extremes would hide each other.
    Returns tables iteration x column, empty where nothing was recorded; `.attrs["iterations"]` is how many they stand
    for.
    """
    by_label = {
        label: _of_one(runs[0], first, last)
        if len(runs) == 1 and _fits(runs[0], first, last)
        else _of_group(runs, first, last)
        for label, runs in members.items()
    }
    return {name: {label: curves[name] for label, curves in by_label.items()} for name in (SCORE, *SCALARS, RNN)}


def _fits(run: Run, first: int | None, last: int | None) -> bool:
    """Whether the stretch has no more iterations than a line has points."""
    end = run.last_iteration
    return end is None or (end if last is None else min(end, last)) - (first or 0) < POINTS


def _of_one(run: Run, first: int | None, last: int | None) -> dict[str, pd.DataFrame]:
    scalars = lines_of(run, SCALARS, first, last)
    norms = entry_lines_of(run, "gradient_norm", first, last)
    of_rnn = part_norms(norms, run.parts).get("rnn", pd.Series(dtype=float))
    curves = {
        SCORE: _once(column(around(run.evaluations, first, last), SCORE)).to_frame(VALUE),
        **{name: column(scalars, name).to_frame(VALUE) for name in SCALARS},
        RNN: of_rnn.to_frame(VALUE),
    }
    for name, source in {**dict.fromkeys(SCALARS, scalars), RNN: norms}.items():
        curves[name].attrs = {"iterations": source.attrs["iterations"]}
    return curves


def _of_group(runs: Sequence[Run], first: int | None, last: int | None) -> dict[str, pd.DataFrame]:
    """Bins are the same for all only where they are asked for the same iterations: those of the shortest."""
    ends = [run.last_iteration for run in runs]
    reached = [end for end in ends if end is not None]
    if len(reached) < len(runs):
        return {name: _median([]) for name in (SCORE, *SCALARS, RNN)}
    stretch = first, min(reached) if last is None else min(last, *reached)
    scores = [_once(column(around(run.evaluations, first, last), SCORE)) for run in runs]
    return {
        SCORE: _median([pd.DataFrame({VALUE: one, LOWEST: one, HIGHEST: one}) for one in scores]),
        **{name: _median([_band(run, name, *stretch) for run in runs]) for name in SCALARS},
        RNN: _median([_rnn_band(run, *stretch) for run in runs]),
    }


def _band(run: Run, name: str, first: int | None, last: int | None) -> pd.DataFrame:
    bands = bands_of(run, name, first, last, columns=POINTS // 2)
    table = pd.DataFrame({kind: np.ravel(values.to_numpy()) for kind, values in bands.items()}, bands["mean"].index)
    return _named(table, bands)


def _rnn_band(run: Run, first: int | None, last: int | None) -> pd.DataFrame:
    bands = bands_of(run, "gradient_norm", first, last, columns=POINTS // 2)
    norms = {kind: part_norms(values, run.parts).get("rnn") for kind, values in bands.items()}
    known = {kind: norm for kind, norm in norms.items() if norm is not None}
    return _named(pd.DataFrame(known, columns=["min", "max", "mean"], dtype=float), bands)


def _named(table: pd.DataFrame, bands: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    named = table.rename(columns={"mean": VALUE, "min": LOWEST, "max": HIGHEST})
    named.attrs = {"iterations": bands["mean"].attrs["iterations"]}
    return named


def _median(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """The median of the values and the extremes, at the iterations that all of the tables have."""
    if not tables:
        return pd.DataFrame(columns=[VALUE, LOWEST, HIGHEST], dtype=float)
    names = (VALUE, LOWEST, HIGHEST)
    each = {name: aligned({str(at): column(table, name) for at, table in enumerate(tables)}) for name in names}
    common = each[VALUE].dropna().index
    found = pd.DataFrame(
        {
            VALUE: each[VALUE].loc[common].median(axis=1),
            LOWEST: each[LOWEST].loc[common].min(axis=1),
            HIGHEST: each[HIGHEST].loc[common].max(axis=1),
        }
    )
    found.attrs = {"iterations": min(table.attrs.get("iterations", len(table)) for table in tables)}
    return found


def _once(scores: pd.Series) -> pd.Series:
    """Of two evaluations at one iteration, which a resume may leave, the last."""
    return scores.loc[~scores.index.duplicated(keep="last")]
