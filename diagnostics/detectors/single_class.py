import numpy as np

from ..findings import Undetermined
from ..stretches import Stretch, sustained
from ..view import View
from .base import Found, found, newest

KIND = "single-class-collapse"

ON_TOP = 0.95
"""Share of a batch's clips with one class on top; ours: learning nets on 14 and 80 classes had .07 to .4."""

BEYOND_LABELS = 0.4
"""By which that share exceeds the commonest label's share of all labels; ours: an imbalanced task puts its majority
on top with good reason."""

APART = 0.8
"""Share of one class on top below which a net had told clips apart; ours: collapsed nets reach it by iteration 5."""

AGREEMENT = 0.98
"""Rank agreement above which the whole ranking is one: a constant predictor (`constant_predictor`), not this; ours."""


def detect(view: View) -> Found:
    """One class on top of nearly every clip, far more often than any label occurs, while the ranking below it moves.

    Or that came over a net which had told clips apart, whatever its ranking came to later.
    """
    top, agreement, positives = view.scalar("top_class_share"), view.scalar("rank_agreement"), view.columns("positives")
    if top is None or agreement is None:
        yield Undetermined(KIND, view.without_ranking())
        return
    if positives is None:
        yield Undetermined(KIND, "no labels by class were recorded; pass target= to step, at level standard or above")
        return
    labels = label_share(positives)
    known = np.isfinite(top) & np.isfinite(agreement)
    on_top = (top > ON_TOP) & (top > labels + BEYOND_LABELS)
    stretch = sustained(view.iterations, on_top & (agreement < AGREEMENT), known)
    whole = sustained(view.iterations, on_top, known)
    if whole is not None and (stretch is None or not stretch.is_active) and _came(view, whole, top, agreement):
        stretch = whole
    if stretch is not None:
        measured = {"top_class_share": newest(top), "label_share": labels, "rank_agreement": newest(agreement)}
        yield found(KIND, "critical", stretch, {**measured, **view.standing()})


def _came(view: View, stretch: Stretch, top: np.ndarray, agreement: np.ndarray) -> bool:
    """Whether one class came on top of a net that had told clips apart, and whose ranking moved at first."""
    place = int(np.searchsorted(view.iterations, stretch.first))
    before, begun = top[max(place - 20, 0) : place], agreement[place : place + 10]
    return len(before) == 20 and np.nanmedian(before) < APART and np.nanmedian(begun) < AGREEMENT


def label_share(positives: np.ndarray) -> float:
    """Share that the commonest class has of the labels, over the whole run; 0 without labels."""
    counts = np.nansum(positives, axis=0)
    return float(counts.max() / counts.sum()) if counts.sum() > 0 else 0.0
