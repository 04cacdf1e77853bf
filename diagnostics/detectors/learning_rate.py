import warnings

import numpy as np

from ..findings import Undetermined
from ..stretches import smoothed, sustained
from ..view import View
from .base import Found, found, newest

HIGH, LOW = "learning-rate-too-high", "learning-rate-too-low"

TOO_LARGE = 0.1
"""Median update ratio above which a step replaces what was learned; the upper bound of TheDeepChecker (1e-1)."""

TOO_SMALL = 1e-5
"""Median update ratio below which nothing moves; the lower bound of Neural network rules of thumb (1e-5)."""


def too_high(view: View) -> Found:
    """A median update ratio of the weights above `TOO_LARGE`, or a loss that left what it had reached, not learning."""
    ratio = median_ratio(view)
    if ratio is None:
        yield Undetermined(HIGH, "no update ratios were recorded; level standard has them")
        return
    stretch = sustained(view.iterations, smoothed(ratio, 5) > TOO_LARGE, np.isfinite(ratio))
    if stretch is None or view.has_learned is True:
        return
    yield found(HIGH, "critical", stretch, {**_measured(view, ratio), **view.standing()})


def too_low(view: View) -> Found:
    """A median update ratio of the weights below `TOO_SMALL` with gradients that are there, not learning."""
    ratio = median_ratio(view)
    if ratio is None:
        yield Undetermined(LOW, "no update ratios were recorded; level standard has them")
        return
    stretch = sustained(view.iterations, smoothed(ratio, 5) < TOO_SMALL, np.isfinite(ratio), least=20)
    if stretch is None or view.has_learned is True:
        return
    yield found(LOW, "warning", stretch, {**_measured(view, ratio), **view.standing()})


def median_ratio(view: View) -> np.ndarray | None:
    """(row,) median over the weights (biases left out, which may start at zero) of their update ratios."""
    ratios = view.columns("update_ratio")
    if ratios is None:
        return None
    weights = [place for place, name in enumerate(view.signals.parameters) if "bias" not in name.rpartition(".")[2]]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # rows without a step
        return np.nanmedian(ratios[:, weights or slice(None)], axis=1)


def _measured(view: View, ratio: np.ndarray) -> dict[str, float]:
    measured = {"update_ratio": newest(ratio)}
    for name in ("learning_rate", "loss"):
        if (values := view.scalar(name)) is not None:
            measured[name] = newest(values)
    return measured
