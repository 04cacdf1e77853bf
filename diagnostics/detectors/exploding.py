import numpy as np

from ..findings import Undetermined
from ..stretches import smoothed, sustained
from ..view import View
from .base import Found, found

KIND = "exploding-gradients"

RATIO = 70.0
"""Times the median of what it was at the beginning by which a gradient norm has exploded; AutoTrainer's bound for the
ratio between layers, here in time."""

BEGINNING = 50
"""Iterations whose median is the level that others are held against; where the first ones explode already, they are
held against the level of the labels' noise (`ALONE`)."""

ALONE = 1e3
"""Total norm that is too large by itself: no loss that is a mean over clips has a gradient of such a size at a net that
can be trained; ours, learning nets stayed below 30."""


def detect(view: View) -> Found:
    """A total gradient norm, before clipping where that is known, far above its beginning; which part did it first."""
    total = view.unclipped_norm()
    if total is None:
        yield Undetermined(KIND, "no gradient norms were recorded: no step of the optimiser was seen")
        return
    known = np.isfinite(total)
    level = float(np.median(total[known][:BEGINNING])) if known.any() else np.nan
    bound = min(RATIO * level, ALONE) if level > 0 else ALONE
    high = smoothed(np.where(known, total, np.nan), 5) > bound
    stretch = sustained(view.iterations, high, known, least=5, share=0.8)
    if stretch is None:
        return
    measured = {"gradient_norm": float(total[known].max()), "beginning": level}
    yield found(KIND, "critical", stretch, measured, where=_first(view, stretch.first))


def _first(view: View, iteration: int) -> str:
    """The parameter whose norm is furthest above its own beginning when it starts."""
    norms = view.columns("gradient_norm")
    if norms is None:
        return ""
    place = int(np.searchsorted(view.iterations, iteration))
    begun = np.nanmedian(norms[: max(1, min(place, BEGINNING))], axis=0)
    growth = norms[place] / begun
    return view.signals.parameters[int(np.nanargmax(growth))] if np.isfinite(growth).any() else ""
