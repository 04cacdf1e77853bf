"""By how much to change a learning rate, from what the run recorded of its steps."""

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ...diagnostics.detectors.learning_rate import median_ratio
from ...diagnostics.recorded import Signals
from ...diagnostics.view import View
from ..recipe import Recipe

if TYPE_CHECKING:
    from torch.optim import Optimizer

AIM = 1e-3
"""What a step should change of the weights' size: the rule of thumb of Karpathy's CS231n notes, the middle of
TheDeepChecker's range of 1e-4 to 1e-1 in logarithm."""

STEPS = (3.0, 10.0, 30.0, 100.0)
"""By which a rate is divided or multiplied, so that a factor read off noise is not taken for exact."""

UNKNOWN = 10.0
"""The step where no update ratios were recorded: "lower the learning rate tenfold" (diagnostics/advice.py)."""


def too_fast(signals: Signals) -> float | None:
    """How many times `AIM` the steps changed of the weights at their largest that lasted: a tenth of the run.

    The median over the weights of each iteration, of which the 90th percentile; None where it was not recorded.
    """
    return _times(signals, 90)


def too_slow(signals: Signals) -> float | None:
    """How many times `AIM` goes into what the steps changed of the weights in the middle of the run (the median)."""
    times = _times(signals, 50)
    return None if times is None else 1 / times if times > 0 else math.inf


def nearest_step(times: float | None) -> float:
    """The nearest of `STEPS` in logarithm; `UNKNOWN` for None.

    >>> [nearest_step(times) for times in (None, 0.2, 5, 8, 1e9)]
    [10.0, 3.0, 3.0, 10.0, 100.0]
    """
    if times is None:
        return UNKNOWN
    return min(STEPS, key=lambda step: abs(math.log(step) - math.log(min(max(times, STEPS[0]), STEPS[-1]))))


def scaled(recipe: Recipe, factor: float) -> Recipe:
    """With every rate of its schedule multiplied, to three digits."""
    schedule = replace(recipe.schedule, lowest=_rounded(recipe.schedule.lowest * factor))
    return replace(recipe, learning_rate=_rounded(recipe.learning_rate * factor), schedule=schedule)


def scale_groups(optimizer: "Optimizer", factor: float) -> None:
    """Multiply the rate of every group, and what PyTorch's schedules remember of it."""
    for group in optimizer.param_groups:
        for key in ("lr", "initial_lr"):
            if key in group:
                group[key] = group[key] * factor


def _times(signals: Signals, percentile: float) -> float | None:
    ratio = median_ratio(View(signals))
    if ratio is None or not np.isfinite(ratio).any():
        return None
    return float(np.nanpercentile(ratio, percentile)) / AIM


def _rounded(rate: float) -> float:
    return float(f"{rate:.3g}")
