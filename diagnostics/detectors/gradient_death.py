import numpy as np

from ..findings import Undetermined
from ..stretches import Stretch, smoothed, sustained
from ..view import View
from .base import Found, found, newest

KIND = "gradient-death"

OF_PEAK = 0.01
"""Of its peak to which the total gradient norm falls when it dies; ours: 5 % cannot tell a plateau from death, 1 % was
reached by broken objectives alone (D7)."""

ROUNDING = 1e-7
"""Total norm below which updates are rounding: what SageMaker Debugger calls vanishing, as mean |g|."""

NOT_DONE = 0.5
"""Of its first value above which a smoothed loss says that there is something left to learn; a net that is done has
tiny gradients for a good reason."""


def detect(view: View) -> Found:
    """The total gradient norm falls below `OF_PEAK` of its peak, or below `ROUNDING`, while there is much to learn."""
    total = view.unclipped_norm()
    if total is None:
        yield Undetermined(KIND, "no gradient norms were recorded: no step of the optimiser was seen")
        return
    known = np.isfinite(total)
    peak = np.maximum.accumulate(np.where(known, smoothed(total, 5), 0.0))
    dead = (smoothed(total, 5) < OF_PEAK * peak) | (total < ROUNDING)
    stretch = sustained(view.iterations, dead & ~is_done(view), known)
    if stretch is None:
        return
    exact = sustained(view.iterations, (total < ROUNDING) & ~is_done(view), known)
    if exact is not None and exact.is_active:
        stretch = Stretch(exact.first, exact.last, True)
    measured = {"gradient_norm": newest(total), "peak": float(peak.max())}
    if (rho := view.scalar("rho")) is not None:
        measured["rho"] = newest(rho)
    yield found(KIND, "critical", stretch, {**measured, **view.standing()}, variant="zero" if exact else "")


def is_done(view: View) -> np.ndarray:
    """(row,) whether so little loss is left that a vanishing gradient means success."""
    loss = view.loss
    if loss is None:
        return np.zeros(len(view.iterations), dtype=bool)
    slow = smoothed(loss)
    entropy = view.scalar("label_entropy")
    begun = np.nanmax(slow[:20]) if np.isfinite(slow[:20]).any() else np.nan
    level = begun if entropy is None else np.fmin(begun, np.nanmedian(entropy))
    return slow < NOT_DONE * level
