import numpy as np

from ..findings import Undetermined
from ..stretches import Stretch, sustained
from ..view import View
from .base import Found, found, newest

KIND = "constant-predictor"

AGREEMENT = 0.98
"""Rank agreement from which all clips get one ranking; ours: collapsed nets had at least .996, learning ones at most
.92, and .88 on real speech."""

ONE_OVER_RANK = 0.1
"""Root mean square of the log deviation of the sorted per-class lwlrap (the first 20) from 1/rank, below which one
ranking serves all clips; ours: collapsed nets .02 to .08, learning ones 1.7 to 2.1."""

SHRUNK = 0.1
"""Of what they were to which weights shrink that tell nothing apart any more; ours: in healthy runs of the zoo the
median weight kept all of its norm (1.0 to 3.7 times)."""

WAKING = 1.5
"""Times by which the scores' spread between clips grows over a stretch from which a net is under way and only
under-trained; ours: it did so in 18 of 24 healthy runs of the zoo that had one ranking for a while; of the faulty ones
half had 1.05 or less."""

LEAST_CLASSES = 8
"""Classes below which the shape of their lwlrap tells nothing; ours."""


def detect(view: View) -> Found:
    """One ranking for every clip: rank agreement above `AGREEMENT`, or per-class lwlrap that falls as 1/rank.

    Not where the scores say that something was learned. A net at its beginning is constant too: a warning, and called
    under-trained, where the scores of clips come apart.
    """
    agreement = view.scalar("rank_agreement")
    shape = one_over_rank(view.newest_class_lwlrap())
    if view.has_learned is True:
        return
    if agreement is None and shape is None:
        yield Undetermined(KIND, view.without_ranking())
        return
    evidence = {} if shape is None else {"one_over_rank_deviation": shape}
    stretch, chart = None, ""
    if agreement is not None:
        stretch = ranked_alike(view)
        evidence["rank_agreement"] = newest(agreement)
    elif shape is not None and shape < ONE_OVER_RANK:
        at = int(view.evaluations.index[-1]) if len(view.evaluations) else view.last
        at = min(at, view.last) if len(view.iterations) else at
        stretch, chart = Stretch(at, at, True), "chart"
    if stretch is None:
        return
    for name in ("clip_spread", "class_spread", "top_class_share"):
        if (values := view.scalar(name)) is not None:
            evidence[name] = newest(values)
    left = _weights_left(view)
    if left is not None:
        evidence["weights_left"] = left
    trend = waking(view, stretch)
    if trend is not None:
        evidence["clip_spread_trend"] = trend
    if left is not None and left < SHRUNK:
        yield found(KIND, "critical", stretch, {**evidence, **view.standing()}, variant="shrunk")
    elif trend is not None and trend > WAKING:
        yield found(KIND, "warning", stretch, {**evidence, **view.standing()}, variant="under-trained")
    else:
        yield found(KIND, "critical", stretch, {**evidence, **view.standing()}, variant=chart)


def waking(view: View, stretch: Stretch) -> float | None:
    """The scores' spread between clips in the last quarter of a stretch over that in its second; None if too short."""
    spread = view.scalar("clip_spread")
    if spread is None:
        return None
    inside = spread[(view.iterations >= stretch.first) & (view.iterations <= stretch.last)]
    quarter = len(inside) // 4
    if quarter < 10:
        return None
    before = np.nanmedian(inside[quarter : 2 * quarter])
    return float(np.nanmedian(inside[-quarter:]) / before) if before > 0 else None


def _weights_left(view: View) -> float | None:
    """Median over the parameters of their newest norm over their first."""
    norms = view.columns("weight_norm")
    if norms is None:
        return None
    first = norms[0]
    return float(np.nanmedian(norms[-1][first > 0] / first[first > 0])) if (first > 0).any() else None


def ranked_alike(view: View) -> Stretch | None:
    """Where one ranking served all clips."""
    agreement = view.scalar("rank_agreement")
    if agreement is None:
        return None
    return sustained(view.iterations, agreement > AGREEMENT, np.isfinite(agreement), least=20)


def one_over_rank(per_class: np.ndarray | None) -> float | None:
    """Root mean square of log(sorted lwlrap) - log(1/rank), over the first 20 classes; None for too few of them.

    One ranking for all clips gives a class at rank r the precision 1/r on clips with that label alone, so the sorted
    bars are 1, 1/2, 1/3 ... and look like "one class is tagged"; nothing is tagged.

    per_class : (class,) lwlrap; NaN and zeros left out

    >>> round(one_over_rank(1 / np.arange(1.0, 81)), 9)
    0.0
    """
    if per_class is None:
        return None
    sorted_ = np.sort(per_class[np.isfinite(per_class) & (per_class > 0)])[::-1][:20]
    if len(sorted_) < LEAST_CLASSES:
        return None
    deviation = np.log(sorted_) + np.log(np.arange(1, len(sorted_) + 1))
    return float(np.sqrt(np.mean(deviation**2)))
