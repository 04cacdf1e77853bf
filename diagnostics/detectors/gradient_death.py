import numpy as np

from ..findings import Undetermined
from ..stretches import Stretch, smoothed, sustained
from ..view import View
from .base import Found, found, newest
from .frozen import modules

KIND = "gradient-death"

OF_PEAK = 0.01
"""Of its peak to which the total gradient norm falls when it dies; ours: 5 % cannot tell a plateau from death, 1 % was
reached by broken objectives alone (D7)."""

ROUNDING = 1e-7
"""Total norm below which updates are rounding: what SageMaker Debugger calls vanishing, as mean |g|."""

ALIVE = 0.3
"""rho from which the head's gradient is no less than the draw of labels keeps up (`broken_objective.KILLED`); ours."""

SUDDEN = 100.0
"""Times by which a norm falls at once when it is cleared or cut off; a net that comes to rest takes its time. Ours."""

NOT_DONE = 0.5
"""Of its first value above which a smoothed loss says that there is something left to learn; a net that is done has
tiny gradients for a good reason. Ours."""


def detect(view: View) -> Found:
    """The total gradient norm falls below `OF_PEAK` of its peak, or below `ROUNDING`, while there is much to learn.

    A part of the network whose gradient is exactly 0, too: something behind it is dead or multiplied by 0.
    """
    total, norms = view.unclipped_norm(), view.gradient_norms
    if norms is None:
        yield Undetermined(KIND, "no gradient norms were recorded: no step of the optimiser was seen")
        return
    if total is not None and (whole := _of_whole(view, total)) is not None:
        stretch, variant, measured = whole
        yield found(KIND, view.severity(), stretch, {**measured, **view.standing()}, variant=variant)
    else:
        yield from _of_parts(view, norms)


def _of_whole(view: View, total: np.ndarray) -> tuple[Stretch, str, dict[str, float]] | None:
    known, done = np.isfinite(total), is_done(view)
    slow = smoothed(total, 5)
    peak = np.maximum.accumulate(np.where(known, slow, 0.0))
    rho = view.scalar("rho")
    quiet = slow < OF_PEAK * peak
    if rho is not None:  # far below an explosion, but as large as the draw of labels makes it: that is no death
        quiet &= ~(smoothed(rho, 5) >= ALIVE)
    stretch = sustained(view.iterations, (quiet | (total < ROUNDING)) & ~done, known)
    if stretch is None:
        return None
    measured = {"gradient_norm": newest(total), "peak": float(peak.max())}
    if rho is not None:
        measured["rho"] = newest(rho)
    exact = sustained(view.iterations, (total < ROUNDING) & ~done, known)
    if exact is not None and exact.is_active and _is_sudden(view, total, exact):
        return exact, "zero", measured
    # A net that has learned what there is has a gradient that goes on falling: it came to rest, and did not die.
    is_at_rest = view.has_learned is True and not view.is_worse_than_ignorant
    return None if is_at_rest else (stretch, "", measured)


def _is_sudden(view: View, total: np.ndarray, stretch: Stretch) -> bool:
    """Whether the norm was rounding from the beginning, or fell to it at once."""
    place = int(np.searchsorted(view.iterations, stretch.first))
    before = total[max(place - 5, 0) : place]
    return place == 0 or bool(np.nanmedian(before) > SUDDEN * max(float(total[place]), np.finfo(np.float32).tiny))


def _of_parts(view: View, norms: np.ndarray) -> Found:
    dead, left = {}, ~is_done(view)
    groups = modules(view.signals.parameters)
    zeros = norms == 0
    without = zeros | np.isnan(norms)
    for module, places in groups.items():
        zero = without[:, places].all(axis=1) & zeros[:, places].any(axis=1)
        if (stretch := sustained(view.iterations, zero & left, share=1.0)) is not None:
            dead[module] = stretch
    if dead:
        module, stretch = min(dead.items(), key=lambda item: (not item[1].is_active, item[1].first))
        measured = {"modules": float(len(dead)), "of_modules": float(len(groups)), **view.standing()}
        yield found(KIND, view.severity(), stretch, measured, variant="part", where=module)


def is_done(view: View) -> np.ndarray:
    """(row,) whether so little loss is left that a vanishing gradient means success."""
    loss = view.loss
    if loss is None:
        return np.zeros(len(view.iterations), dtype=bool)
    slow = smoothed(loss)
    entropy = view.scalar("label_entropy")
    begun = np.nanmax(slow[:20]) if np.isfinite(slow[:20]).any() else np.nan
    level = begun if entropy is None else np.fmin(begun, np.nanmedian(entropy))
    return (slow < NOT_DONE * level) & ~_was_scaled(loss)


def _was_scaled(loss: np.ndarray) -> np.ndarray:
    """(row,) whether the loss fell a thousandfold at once, then or before: a factor does that, and no learning."""
    if len(loss) < 10:
        return np.zeros(len(loss), dtype=bool)
    medians = np.median(np.lib.stride_tricks.sliding_window_view(loss, 5), axis=1)
    fell = np.zeros(len(loss), dtype=bool)
    fell[5 : 5 + len(medians) - 5] = medians[5:] < 1e-3 * medians[:-5]
    return np.logical_or.accumulate(fell)
