from ..findings import Undetermined
from ..view import View
from . import recurrent_state
from .base import Found, found, newest
from .constant_predictor import ranked_alike

KIND = "saturation-plateau"

SATURATED = 0.5
"""Share of hidden states beyond |h| > .9 at the end, below which the shared answer has another reason; TheDeepChecker's
bound for a saturated layer."""


def detect(view: View) -> Found:
    """An RNN whose states are saturated or the same for every clip, under one ranking for all clips, not learning.

    Formula: D5 (`recurrent_state`) and D3 (`constant_predictor`) together. The objective is sound where rho is near 1;
    a broken one looks the same here and is told apart by its own detector.
    """
    if not view.rnns:
        if "rnn" in view.parts():
            yield Undetermined(KIND, "no recurrent states were recorded; level standard has them")
        return
    if view.scalar("rank_agreement") is None:
        yield Undetermined(KIND, view.without_ranking())
        return
    alike = ranked_alike(view)
    if alike is None or view.has_learned is True:
        return
    for rnn in view.rnns:
        dead = recurrent_state.dead_states(view, rnn)
        measured = recurrent_state.evidence(view, rnn)
        if dead is None or (alike.is_active and not dead.is_active) or not measured.get("saturation", 0) > SATURATED:
            continue
        for name in ("rank_agreement", "rho", "loss", "label_entropy"):
            if (values := view.scalar(name)) is not None:
                measured[name] = newest(values)
        yield found(KIND, view.severity(), dead, {**measured, **view.standing()}, where=rnn)
        return
