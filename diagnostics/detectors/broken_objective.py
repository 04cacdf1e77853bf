import math

import numpy as np

from ..findings import Undetermined
from ..stretches import Stretch, smoothed, sustained
from ..view import View
from .base import Found, found, newest

KIND = "broken-objective"

ON_LOGITS = ("bce-with-logits", "cross-entropy")
"""Losses that put a sigmoid or softmax on what they are given."""

RANGE = 1e-3
"""Logits that never come further apart than this say nothing about their kind: a head of zeros is no sigmoid; ours."""

NEAR_LN2 = 0.02
"""Of a smoothed loss from ln 2, that of an answer of 1/2 for every class; ours: double sigmoids came within it between
iterations 30 and 249, no other net did that had left its first value."""

KILLED = 0.3
"""A rho below which the head's gradient is less than the draw of labels alone keeps up at a sound objective; ours: a
plateau had .9 to 1.4, learning nets .54 to 1.0, double sigmoids fell below .1."""


def detect(view: View) -> Found:
    """The loss takes logits and the model gives probabilities, or the head's gradient is killed at a loss above H0.

    Certain where the loop itself says so (`probabilities=` under a loss on logits); as good as certain where every
    score of 10 iterations lies in [0, 1]. By its effects otherwise: rho below `KILLED`, or a loss that stays at ln 2,
    while the loss is above 1.5 H0, not learning.
    """
    kind = view.info.get("loss_kind")
    if kind not in ON_LOGITS:
        if kind is None:
            yield Undetermined(KIND, "what the loss expects was not said; pass loss= to the recorder")
        return
    low, high = view.scalar("output_min"), view.scalar("output_max")
    if low is None or high is None:
        yield Undetermined(KIND, "the scores were not recorded; pass logits= or probabilities= to step")
        return
    evidence = {"output_min": np.nanmin(low), "output_max": np.nanmax(high), **_effects(view)}
    if view.info.get("output_kind") == "probabilities":
        begun = int(view.iterations[np.isfinite(low)][0])
        yield found(KIND, "critical", Stretch(begun, view.last, True), evidence, variant="declared")
    elif (stretch := _inside(view, low, high)) is not None:
        inside = (view.iterations >= stretch.first) & (view.iterations <= stretch.last)
        evidence |= {"output_min": np.nanmin(low[inside]), "output_max": np.nanmax(high[inside])}
        yield found(KIND, "critical", stretch, evidence, variant="inferred")
    elif (stretch := _killed(view)) is not None and view.has_learned is not True:
        yield found(KIND, view.severity(), stretch, evidence, variant="effects")


def _inside(view: View, low: np.ndarray, high: np.ndarray) -> Stretch | None:
    known = np.isfinite(low) & np.isfinite(high)
    stretch = sustained(view.iterations, (low >= 0) & (high <= 1), known, share=1.0)
    if stretch is None:
        return None
    inside = (view.iterations >= stretch.first) & (view.iterations <= stretch.last)
    return stretch if np.nanmax((high - low)[inside]) > RANGE else None


def _killed(view: View) -> Stretch | None:
    """A rho below the floor, or the loss at ln 2, while the loss says that nothing was learned."""
    loss, entropy, rho = view.loss, view.scalar("label_entropy"), view.scalar("rho")
    if loss is None or entropy is None:
        return None
    slow = smoothed(loss)
    above = slow > 1.5 * entropy
    signs = []
    if rho is not None:
        signs.append(
            sustained(view.iterations, (smoothed(rho) < KILLED) & (rho > 0) & above, np.isfinite(rho), least=20)
        )
    if view.info.get("loss_kind") == "bce-with-logits":
        late = np.arange(len(loss)) >= 20
        signs.append(sustained(view.iterations, (abs(slow - math.log(2)) < NEAR_LN2) & above & late, least=50))
    given = [sign for sign in signs if sign is not None]
    return min(given, key=lambda sign: (not sign.is_active, sign.first)) if given else None


def _effects(view: View) -> dict[str, float]:
    names = ("loss", "label_entropy", "ln2_distance", "rho")
    return {name: newest(values) for name in names if (values := view.scalar(name)) is not None}
