import numpy as np

from ..findings import Undetermined
from ..stretches import Stretch
from ..view import View
from .base import Found, found

KIND = "non-finite"


def detect(view: View) -> Found:
    """A loss, gradient or input that is NaN or infinite; the first iteration of it, and what had it first.

    Steps that a gradient scaler skipped are left out: it makes infinities in order to find its scale.
    """
    loss, counts = view.loss, view.scalar("nonfinite_gradients")
    if loss is None and counts is None:
        yield Undetermined(KIND, "neither loss nor gradients were recorded; pass loss= to step")
        return
    bad = np.zeros(len(view.iterations), dtype=bool)
    measured = {}
    if counts is not None:
        bad |= counts > 0
        measured["parameters"] = float(np.nanmax(counts))
    if loss is not None:
        begun = np.maximum.accumulate(np.isfinite(loss))
        bad |= np.isinf(loss) | (np.isnan(loss) & begun)
    if (inputs := view.scalar("nonfinite_inputs")) is not None:
        bad |= inputs > 0
        measured["inputs"] = float(np.nanmax(inputs))
    if not bad.any():
        return
    places = np.flatnonzero(bad)
    first, last = int(view.iterations[places[0]]), int(view.iterations[places[-1]])
    is_active = bool(bad[-5:].any())
    event = next((event for event in view.events if event.get("kind") == KIND), {})
    where = event.get("module") or next(iter(event.get("what", [])), "")
    measured["iterations"] = float(len(places))
    severity = "critical" if is_active else "warning"
    yield found(KIND, severity, Stretch(first, last, is_active), measured, where=where)
