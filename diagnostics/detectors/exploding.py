import numpy as np

from ..findings import Undetermined
from ..stretches import smoothed, sustained
from ..view import KNOWN_LOSSES, View
from .base import Found, found

KIND = "exploding-gradients"

RATIO = 70.0
"""Times the median of what it was at the beginning by which a gradient norm has exploded; AutoTrainer's bound for the
ratio between layers, here in time."""

BEGINNING = 50
"""Iterations whose median is the level that others are held against; where the first ones explode already, they are
held against the level of the labels' noise (`ALONE`). Ours."""

ALONE = 1e3
"""Total norm that is too large by itself, under a loss on classes and where nothing is learned: targets of 0 and 1 give
none of such a size in a net that can be trained. Ours: healthy runs of the zoo had 131 at most; a
regression may have any."""


def detect(view: View) -> Found:
    """A total gradient norm, before clipping where that is known, far above its beginning; which part did it first."""
    total = view.unclipped_norm()
    if total is None:
        yield Undetermined(KIND, "no gradient norms were recorded: no step of the optimiser was seen")
        return
    known = np.isfinite(total)
    level = float(np.median(total[known][:BEGINNING])) if known.any() else np.nan
    is_sound = view.has_learned is True and not view.is_worse_than_ignorant
    is_bounded = view.info.get("loss_kind") in KNOWN_LOSSES and not is_sound
    bounds = [RATIO * level] if level > 0 else []
    bound = min([*bounds, ALONE] if is_bounded else bounds, default=np.inf)
    high = smoothed(np.where(known, total, np.nan), 5) > bound
    stretch = sustained(view.iterations, high, known, least=5, share=0.8)
    if stretch is None:
        return
    measured = {"gradient_norm": float(total[known].max()), "beginning": level}
    yield found(
        KIND,
        "critical" if view.has_learned is not True else "warning",
        stretch,
        measured,
        where=_first(view, stretch.first),
    )


def _first(view: View, iteration: int) -> str:
    """The parameter whose norm is furthest above its own beginning when it starts."""
    norms = view.columns("gradient_norm")
    if norms is None:
        return ""
    place = int(np.searchsorted(view.iterations, iteration))
    begun = np.nanmedian(norms[: max(1, min(place, BEGINNING))], axis=0)
    growth = norms[place] / begun
    return view.signals.parameters[int(np.nanargmax(growth))] if np.isfinite(growth).any() else ""
