"""Where runs stand at their end, side by side: verdict, scores, norms, what their recipes differ in; needs no torch."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..diagnostics.errors import RunError
from .comparing import last_common, names_of, recipe_differences
from .read_once import ReadOnce
from .run import EVALUATION_COLUMNS, Run
from .summary import stored_summary, summarise

RECENT = 50
"""Iterations at a run's end whose median stands for its loss and gradient norms: one batch alone is noise; ours."""


@dataclass(frozen=True)
class Standing:
    """Where a run stands at its end; NaN and None are what it did not record.

    name : the folder's, with those above it where two runs have the same
    has_recipe : false for a loop of one's own
    onset : iteration at which the finding that is the cause began
    lwlrap : of the last evaluation; chance and constant are what it must be held against
    common_lwlrap : of the last evaluation at an iteration at which every compared run has one
    loss, gradient_norm : medians over the last RECENT iterations
    lowest_part, lowest_norm : the part of the network with the lowest gradient norm, its median likewise
    rnn_share, rnn_low, rnn_high : share of the score that the RNNs carry, by the last ablation, and its interval
    seconds : from the first recorded iteration to the last
    """

    name: str
    run: str
    status: str
    has_recipe: bool
    verdict: str
    cause: str | None
    onset: int | None
    lwlrap: float
    common_lwlrap: float
    chance: float
    constant: float
    loss: float
    gradient_norm: float
    lowest_part: str | None
    lowest_norm: float
    rnn_share: float
    rnn_low: float
    rnn_high: float
    iterations: int
    seconds: float


@dataclass(frozen=True)
class Comparison:
    """Several runs side by side.

    common : the last iteration at which each of them has an evaluation; None where there is none
    differences : recipe's key x run, as `comparing.recipe_differences` gives it
    """

    runs: tuple[Standing, ...]
    common: int | None
    differences: pd.DataFrame

    def to_dict(self) -> dict[str, Any]:
        """As `flatline compare --json` prints it; the values of a difference are in the order of the runs."""
        values = self.differences.to_numpy(dtype=object).tolist()
        differences = dict(zip(self.differences.index, values, strict=True))
        runs = [vars(standing) for standing in self.runs]
        return {"runs": runs, "common_iteration": self.common, "differences": differences}


def compare(addresses: Sequence[str], logs: Path) -> Comparison:
    """Runs given by folder or by name under `logs`, side by side.

    Raises RunError for fewer than two, for one given twice, and for one that is not there.
    """
    if len(addresses) < 2:
        raise RunError(f"only one run is given ({addresses[0]}, flatline compare); give two or more")
    runs = [ReadOnce(address, logs) for address in addresses]
    paths = [str(run.path) for run in runs]
    twice = next((path for path in paths if paths.count(path) > 1), None)
    if twice is not None:
        raise RunError(f"the run {twice} is given twice (flatline compare); give each run once")
    return comparison(runs)


def comparison(runs: Sequence[Run]) -> Comparison:
    """Runs side by side, each judged anew."""
    evaluations = [run.evaluations for run in runs]
    common = last_common([table["lwlrap"].dropna().index for table in evaluations])
    each = zip(runs, names_of(runs), evaluations, strict=True)
    standings = [_standing(run, name, table, common) for run, name, table in each]
    return Comparison(tuple(standings), common, recipe_differences(runs))


def _standing(run: Run, name: str, evaluations: pd.DataFrame, common: int | None) -> Standing:
    verdict, cause, onset = _judged(run)
    scores = {name: _last(evaluations[name].to_numpy()) for name in EVALUATION_COLUMNS}
    norms, (share, low, high) = _recent_norms(run), rnn_share_of(run.ablations)
    lowest = min(norms, key=lambda part: norms[part], default=None)
    return Standing(
        name=name,
        run=str(run.path),
        status=run.status,
        has_recipe=bool(run.recipe),
        verdict=verdict,
        cause=cause,
        onset=onset,
        lwlrap=scores["lwlrap"],
        common_lwlrap=math.nan
        if common is None
        else _last(evaluations["lwlrap"].to_numpy()[evaluations.index == common]),
        chance=scores["chance"],
        constant=scores["constant"],
        loss=_recent(run, "loss"),
        gradient_norm=_recent(run, "gradient_norm_total"),
        lowest_part=lowest,
        lowest_norm=math.nan if lowest is None else norms[lowest],
        rnn_share=share,
        rnn_low=low,
        rnn_high=high,
        iterations=len(run),
        seconds=_seconds(run),
    )


def _judged(run: Run) -> tuple[str, str | None, int | None]:
    """Verdict, cause and the cause's onset: what is kept beside the run, where that is of all that it recorded."""
    diagnosis = (stored_summary(run.path) or summarise(run))["diagnosis"]
    cause = diagnosis["cause"]
    return diagnosis["verdict"], cause, None if cause is None else diagnosis["findings"][0]["onset"]


def _last(scores: np.ndarray) -> float:
    return float(scores[-1]) if len(scores) else math.nan


def _recent(run: Run, column: str) -> float:
    """Median of a scalar over the last RECENT iterations; NaN where none was recorded there."""
    values = _window(run, column)
    return math.nan if values is None else _median(values[:, 0])


def _recent_norms(run: Run) -> dict[str, float]:
    """Median gradient norm of each part of the network over the last RECENT iterations; parts without one left out."""
    values = _window(run, "gradient_norm")
    if values is None:
        return {}
    parts = [run.parts.get(name) for name in run.entries("gradient_norm")]
    squares = {part: values[:, [here == part for here in parts]] ** 2 for part in dict.fromkeys(parts) if part}
    totals = {part: np.where(np.isnan(of).all(axis=1), np.nan, np.nansum(of, axis=1)) for part, of in squares.items()}
    medians = {part: _median(np.sqrt(total)) for part, total in totals.items()}
    return {part: median for part, median in medians.items() if not math.isnan(median)}


def _window(run: Run, column: str) -> np.ndarray | None:
    """(iteration, entry) of the last RECENT iterations; None where the run has no such column, or no iteration."""
    last = run.last_iteration
    if last is None or column not in run.columns:
        return None
    return run.window(column, last - RECENT + 1, last, RECENT)["mean"].to_numpy(dtype=np.float64)


def _median(values: np.ndarray) -> float:
    recorded = values[~np.isnan(values)]
    return float(np.median(recorded)) if len(recorded) else math.nan


def rnn_share_of(ablations: pd.DataFrame) -> tuple[float, float, float]:
    """Share of the score that all RNNs together carry, and its interval, by the last ablation that tried them."""
    columns = [f"ablation.rnns{end}" for end in ("", ".low", ".high")]
    if not {*columns} <= {*ablations.columns}:
        return math.nan, math.nan, math.nan
    tried = ablations.loc[ablations["ablation.rnns.score"].notna()] if "ablation.rnns.score" in ablations else ablations
    if not len(tried):
        return math.nan, math.nan, math.nan
    share, low, high = tried[columns].iloc[-1].astype(float)
    return float(share), float(low), float(high)


def _seconds(run: Run) -> float:
    if not len(run):
        return math.nan
    times = run.series("wall_time").dropna()
    return float(times.iloc[-1] - times.iloc[0]) if len(times) else math.nan
