import numpy as np

from ..findings import Undetermined
from ..stretches import Stretch, sustained
from ..view import View
from .base import Found, found, newest
from .gradient_death import is_done

HIGH, LOW = "learning-rate-too-high", "learning-rate-too-low"

TOO_LARGE = 0.1
"""Median update ratio above which steps replace what was learned; the upper bound of TheDeepChecker (1e-1)."""

DESTRUCTIVE = 0.5
"""Median update ratio of a single step that leaves nothing of what was learned; ours: healthy runs of the zoo had .25
at most, half of them less than .03."""

BEGUN_AT_ZERO = 0.05
"""Of the weights' median norm after the first step below which a weight had begun at zero; ours."""

SHRUNK = 0.5
"""Of the weights' norm to which large updates may take it: beyond, it is weight decay that takes them; ours."""

TOO_SMALL = 1e-5
"""Median update ratio below which nothing moves; a tenth of the lower bound of TheDeepChecker (1e-4)."""

LEAST_MOVING = 1e-4
"""Median update ratio of a net that does learn; the lower bound of TheDeepChecker."""

A_WHILE = 0.2
"""Share of a run that must have such small updates, where it has learned: schedules end with a few. Ours."""


def too_high(view: View) -> Found:
    """A median update ratio above `TOO_LARGE` in 5 steps, or `DESTRUCTIVE` in one, and nothing good came of it.

    Critical where nothing was learned, the loss is worse than before, or worse than H0; a warning while it goes on and
    that cannot be said; worth knowing where the net learned all the same, as small nets do at such rates.
    """
    ratio = median_ratio(view)
    if ratio is None:
        yield Undetermined(HIGH, "no update ratios were recorded; level standard has them")
        return
    known = np.isfinite(ratio)
    lasting = sustained(view.iterations, ratio > TOO_LARGE, known, least=5, share=0.8)
    single = np.flatnonzero(known & (ratio > DESTRUCTIVE))
    firsts = [int(np.searchsorted(view.iterations, lasting.first))] if lasting else []
    firsts += [int(single[0])] if len(single) else []
    if not firsts or _shrinks(view, min(firsts)):
        return
    first = min(firsts)
    above = np.flatnonzero(known & (ratio > TOO_LARGE))
    is_lasting = lasting is not None and lasting.is_active and view.has_learned is not True
    is_active = view.has_learned is False or is_lasting or _is_worse(view, first) or view.is_worse_than_ignorant
    stretch = Stretch(
        int(view.iterations[first]), view.last if is_active else int(view.iterations[above[-1]]), is_active
    )
    measured = {**_measured(view, ratio), "largest_update_ratio": float(np.nanmax(ratio)), **view.standing()}
    is_proved = view.has_learned is False or (
        view.has_learned is None and (_is_worse(view, first) or view.is_worse_than_ignorant)
    )
    yield found(HIGH, "critical" if is_proved else "warning", stretch, measured)


def too_low(view: View) -> Found:
    """A median update ratio of the weights below `TOO_SMALL` while there is much to learn."""
    ratio = median_ratio(view)
    if ratio is None:
        yield Undetermined(LOW, "no update ratios were recorded; level standard has them")
        return
    known = np.isfinite(ratio)
    stretch = sustained(view.iterations, (ratio < TOO_SMALL) & ~is_done(view), known, least=20)
    if stretch is None:
        return
    inside = (view.iterations >= stretch.first) & (view.iterations <= stretch.last)
    if view.has_learned is not False and inside.mean() < A_WHILE:
        return
    yield found(LOW, "warning", stretch, {**_measured(view, ratio), **view.standing()})


def median_ratio(view: View) -> np.ndarray | None:
    """(row,) median over the weights (biases left out, which may start at zero) of their update ratios."""
    return _median(view, "update_ratio")


def _median(view: View, column: str) -> np.ndarray | None:
    weights = [place for place, name in enumerate(view.signals.parameters) if "bias" not in name.rpartition(".")[2]]
    return view.medians(column, tuple(_not_begun_at_zero(view, weights)))


def _not_begun_at_zero(view: View, places: list[int]) -> list[int]:
    """Without those that began at next to nothing, as half of a low-rank adapter does: any step is large to them."""
    norms = view.columns("weight_norm")
    if norms is None or not places:
        return places
    first = norms[0, places]
    usual = np.nanmedian(first)
    return [place for place, norm in zip(places, first, strict=True) if not norm < BEGUN_AT_ZERO * usual] or places


def _shrinks(view: View, first: int) -> bool:
    """Whether the weights get smaller by what happens there."""
    norms = _median(view, "weight_norm")
    if norms is None:
        return False
    after = norms[first : first + 20]
    return bool(np.nanmin(after) < SHRUNK * norms[max(first - 1, 0)]) if np.isfinite(after).any() else False


def _is_worse(view: View, first: int) -> bool:
    """Whether the loss at the end is above what it was before."""
    loss = view.loss
    if loss is None or first < 5:
        return False
    return bool(np.nanmedian(loss[-20:]) > np.nanmedian(loss[max(first - 20, 0) : first]))


def _measured(view: View, ratio: np.ndarray) -> dict[str, float]:
    measured = {"update_ratio": newest(ratio)}
    for name in ("learning_rate", "loss"):
        if (values := view.scalar(name)) is not None:
            measured[name] = newest(values)
    return measured
