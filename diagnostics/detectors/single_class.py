import numpy as np

from ..findings import Undetermined
from ..stretches import sustained
from ..view import View
from .base import Found, found, newest

KIND = "single-class-collapse"

ON_TOP = 0.95
"""Share of a batch's clips with one class on top; ours: learning nets on 14 and 80 classes had .07 to .4."""

BEYOND_LABELS = 0.4
"""By which that share exceeds the share of clips with the commonest label; ours: an imbalanced task puts its majority
on top with good reason."""

AGREEMENT = 0.98
"""Above it the whole ranking is one, which is a constant predictor and not this."""


def detect(view: View) -> Found:
    """One class on top of nearly every clip, far more often than any label occurs, while the ranking below it moves."""
    top, agreement, positives = view.scalar("top_class_share"), view.scalar("rank_agreement"), view.columns("positives")
    if top is None or agreement is None:
        yield Undetermined(KIND, "no scores were recorded; pass logits= or probabilities= to step")
        return
    if positives is None:
        yield Undetermined(KIND, "no labels by class were recorded; pass target= to step, at level standard or above")
        return
    labels = label_share(positives)
    holds = (top > ON_TOP) & (agreement < AGREEMENT) & (top > labels + BEYOND_LABELS)
    stretch = sustained(view.iterations, holds, np.isfinite(top) & np.isfinite(agreement))
    if stretch is not None:
        measured = {"top_class_share": newest(top), "label_share": labels, "rank_agreement": newest(agreement)}
        yield found(KIND, "critical", stretch, {**measured, **view.standing()})


def label_share(positives: np.ndarray) -> float:
    """Share that the commonest class has of the labels, over the whole run; 0 without labels."""
    counts = np.nansum(positives, axis=0)
    return float(counts.max() / counts.sum()) if counts.sum() > 0 else 0.0
