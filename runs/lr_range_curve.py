"""What a learning-rate range test says: the loss by the rate, smoothed, and the rates between which it falls."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from .run import Run

SMOOTHING = 0.9
"""Share of the old mean in the running one. Ours: the usual .98 (fastai, Lightning) averages over 50 iterations, a
quarter of a test of 200; at .9 the loss of a batch of 32 varies by less than a tenth of what it falls."""

DIVERGED = 4.0
"""Times the lowest smoothed loss at which the test ends. Source: fastai's and Lightning's learning-rate finders."""

BEGUN = 0.1
"""Share of the whole fall after which the loss has begun to fall; ours: nets that learn reach it within a third of a
decade, and noise stays below it."""

LEAST_FALL = 8.0
"""Standard deviations of the smoothed loss that a fall must have; ours: of noise alone one test of 200 rates in 1,000
falls by 7.1, and of 5,000 one by 8."""

LEAST_SHARE = 0.01
"""Of the first loss, that a fall must have besides; ours."""

SETTLED = round(1 / (1 - SMOOTHING))
"""Iterations that a running mean needs until it is a mean of many; what it says before counts for nothing."""


class RunningMean:
    """An exponential mean that is right from its first value on (bias correction as in Adam, 1412.6980, section 3).

    >>> mean = RunningMean(0.5)
    >>> mean.add(1.0), mean.add(4.0)
    (1.0, 3.0)
    """

    def __init__(self, smoothing: float = SMOOTHING) -> None:
        self.smoothing = smoothing
        self._sum = self._weight = 0.0

    def add(self, value: float) -> float:
        """The mean with one more value."""
        self._sum = self.smoothing * self._sum + (1 - self.smoothing) * value
        self._weight = self.smoothing * self._weight + 1 - self.smoothing
        return self._sum / self._weight


class Divergence:
    """Follows the loss of a test: over where it is no number, or its mean exceeds DIVERGED times the lowest mean."""

    def __init__(self) -> None:
        self._mean, self._lowest = RunningMean(), math.inf
        self.is_over = False

    def add(self, loss: float) -> float:
        """The smoothed loss with one more iteration's; sets `is_over`."""
        mean = self._mean.add(loss)
        self._lowest = min(self._lowest, mean)  # a mean that is NaN is never less
        self.is_over = self.is_over or not math.isfinite(mean) or (0 < DIVERGED * self._lowest < mean)
        return mean


@dataclass(frozen=True)
class RangeCurve:
    """The smoothed loss by the rate, up to where the test diverged.

    rates  : (point,) each the same running mean of the rates, on a logarithmic axis, as the loss is of the losses: a
        smoothed loss beside the newest rate alone would lag behind it
    losses : (point,)
    noise  : standard deviation of a smoothed loss, from how much neighbouring iterations differ
    first  : the first smoothed loss that is settled, or the last of a test that ended before
    diverged : rate at which the test ended; NaN where it did not
    """

    rates: np.ndarray
    losses: np.ndarray
    noise: float
    first: float
    diverged: float


@dataclass(frozen=True)
class Suggestion:
    """Rates that a range test suggests, NaN where it suggests none; `why` says in words what they rest on.

    lowest   : where the loss has begun to fall: a cycle's lower end
    steepest : where it falls fastest: a constant rate
    highest  : of the lowest loss, before it rises: a cycle's upper end
    first_loss, least_loss : smoothed, at the beginning and at its lowest
    """

    lowest: float
    steepest: float
    highest: float
    first_loss: float
    least_loss: float
    diverged: float
    why: str

    @property
    def falls(self) -> bool:
        """Whether there is any suggestion."""
        return not math.isnan(self.steepest)


def range_curve(rates: Sequence[float] | np.ndarray, losses: Sequence[float] | np.ndarray) -> RangeCurve:
    """The curve of a test.

    rates, losses : (iteration,) the rate of each step and the loss before it
    """
    divergence, logarithm = Divergence(), RunningMean()
    points: list[tuple[float, float]] = []
    diverged = math.nan
    for rate, loss in zip(rates, losses, strict=True):
        mean = divergence.add(float(loss))
        if divergence.is_over:
            diverged = float(rate)
            break
        points.append((math.exp(logarithm.add(math.log(rate))), mean))
    raw = np.asarray(losses, dtype=np.float64)[: len(points)]
    drawn = np.array(points, dtype=np.float64).reshape(-1, 2)
    first = float(drawn[:SETTLED, 1][-1]) if len(raw) else math.nan
    return RangeCurve(drawn[:, 0], drawn[:, 1], _noise(raw), first, diverged)


def curve_of_run(run: Run) -> tuple[np.ndarray, np.ndarray, RangeCurve, Suggestion] | None:
    """A run's rates, losses, curve and suggestion; None of a run whose rate does not rise with every iteration."""
    known = run.scalars
    if not {"learning_rate", "loss"} <= {*known.columns} or len(known) < 2:
        return None
    rates = known["learning_rate"].to_numpy(dtype=np.float64)
    if not (rates[0] > 0 and (np.diff(rates) > 0).all()):
        return None
    losses = known["loss"].to_numpy(dtype=np.float64)
    entropy = known["label_entropy"].dropna() if "label_entropy" in known else known["loss"].iloc[:0]
    curve = range_curve(rates, losses)
    newest = float(entropy.iloc[-1]) if len(entropy) else math.nan
    return rates, losses, curve, suggest(curve, loss_kind=run.info.get("loss_kind"), label_entropy=newest)


def _noise(raw: np.ndarray) -> float:
    """Of the running mean, from the median step between neighbours, which a fall of many iterations hardly moves."""
    if len(raw) < 3:
        return math.nan
    of_one = float(np.median(np.abs(np.diff(raw)))) / (0.6745 * math.sqrt(2))  # 0.6745 sigma is a normal's median
    return of_one * math.sqrt((1 - SMOOTHING) / (1 + SMOOTHING))


def suggest(curve: RangeCurve, *, loss_kind: str | None = None, label_entropy: float = math.nan) -> Suggestion:
    """The rates between which the loss falls, and where it does so fastest.

    The lowest is the last before which less than BEGUN of the whole fall was gone, the highest that of the lowest loss,
    the steepest the one in between with the most negative slope over the rate's logarithm. None is suggested where the
    loss does not fall by more than its noise, or no lower than an answer of 1/2 for every class gives.

    loss_kind, label_entropy : what the run says of its loss; NaN where it did not record it
    Source: Smith 2015 (1506.01186) section 3.3, where it is read off the curve by eye; the thresholds are this file's.
    """
    if len(curve.losses) <= SETTLED:
        return _none(curve, f"only {len(curve.losses)} iterations came before the loss diverged; begin at a lower rate")
    bottom = SETTLED - 1 + int(np.argmin(curve.losses[SETTLED - 1 :]))
    least = float(curve.losses[bottom])
    fall = curve.first - least
    if not fall > max(LEAST_FALL * curve.noise, LEAST_SHARE * abs(curve.first)):
        return _none(
            curve,
            f"no rate lowers the loss beyond {least:.4g}, which is its {curve.first:.4g} of the beginning give or take "
            "what batches differ by: look at the objective and the labels (flatline check)",
        )
    if _is_at_half(least, loss_kind, label_entropy):
        return _none(
            curve,
            f"no rate lowers the loss beyond {least:.4g}, what an answer of 1/2 for every class gives (ln 2 = 0.693): "
            "look at the objective (flatline check)",
        )
    below = np.flatnonzero(curve.losses[: bottom + 1] >= curve.first - BEGUN * fall)
    begun = int(below[-1]) if len(below) else 0
    begun = min(begun, bottom - 1)
    slope = np.gradient(curve.losses[: bottom + 1], np.log10(curve.rates[: bottom + 1]))
    steepest = begun + int(np.argmin(slope[begun:]))
    lowest, best, highest = (float(curve.rates[place]) for place in (begun, steepest, bottom))
    return Suggestion(lowest, best, highest, curve.first, least, curve.diverged, _in_words(curve, bottom))


def _is_at_half(least: float, loss_kind: str | None, label_entropy: float) -> bool:
    """As the detector of broken objectives has it: within .02 of ln 2, and above 1.5 H0."""
    return loss_kind == "bce-with-logits" and abs(least - math.log(2)) < 0.02 and least > 1.5 * label_entropy


def _in_words(curve: RangeCurve, bottom: int) -> str:
    highest = f"{curve.rates[bottom]:.2g}"
    if not math.isnan(curve.diverged):
        return f"the loss is lowest at {highest} and diverges at {curve.diverged:.2g}"
    if float(curve.losses[bottom:].max() - curve.losses[bottom]) > LEAST_FALL * curve.noise:
        return f"the loss is lowest at {highest} and rises after it"
    return (
        f"the loss still does not rise at {highest}, the highest rate that was tried; a test to a higher one says more"
    )


def _none(curve: RangeCurve, why: str) -> Suggestion:
    least = float(curve.losses.min()) if len(curve.losses) else math.nan
    return replace(nothing(why), first_loss=curve.first, least_loss=least, diverged=curve.diverged)


def nothing(why: str) -> Suggestion:
    """No suggestion, and why."""
    return Suggestion(math.nan, math.nan, math.nan, math.nan, math.nan, math.nan, why)
