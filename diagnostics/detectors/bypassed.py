import numpy as np

from ..findings import Undetermined
from ..stretches import Stretch
from ..view import View
from . import recurrent_state
from .base import Found, found
from .quiet_parts import quiet_since

KIND = "bypassed-recurrence"

CARRIES = 0.2
"""Share of the score above the constant level, upper end of its interval, below which an RNN carries nearly none; ours:
bypassed ones carried .00 to .08, others .5 and more."""

GRADIENT_RATIO = 0.1
"""Of the RNN's mean gradient norm to the head's; ours: bypassed .013 to .085, healthy .66 to .83."""


def detect(view: View) -> Found:
    """It learns, and the RNN carries nearly none of the score.

    By the ablation where there is one. Else by its states (`recurrent_state`) and by the gradient's ratio to the
    head's, which is a suspicion and no more: `flatline ablate` settles it.
    """
    if not view.rnns or view.has_learned is not True:
        return
    for rnn in view.rnns:
        share = view.ablation(f"rnn.{rnn}")
        dead = recurrent_state.dead_states(view, rnn)
        measured = {**recurrent_state.evidence(view, rnn), **_ratio(view)}
        if share is not None:
            if not share["high"] < CARRIES:  # nor where there is no interval
                continue
            stretch = Stretch(_since(view, dead), view.last, True)
            measured |= {"rnn_share": share["share"], "rnn_share_low": share["low"], "rnn_share_high": share["high"]}
            yield found(KIND, "warning", stretch, measured, variant="ablated", where=rnn)
        elif dead is not None and dead.is_active and measured.get("gradient_ratio", np.inf) < GRADIENT_RATIO:
            yield found(KIND, "info", dead, measured, variant="suspected", where=rnn)
            yield Undetermined(KIND, "no ablation has been made; `flatline ablate` says what the RNN carries")


def _since(view: View, dead: Stretch | None) -> int:
    """When its states died, or its gradient went quiet; the beginning where neither is to be seen."""
    quiet = quiet_since(view, "rnn")
    firsts = [stretch.first for stretch in (dead, quiet) if stretch is not None and stretch.is_active]
    return min(firsts, default=int(view.iterations[0]))


def _ratio(view: View) -> dict[str, float]:
    """Newest mean norm of the RNN's gradients over the head's."""
    norms, parts = view.columns("gradient_norm"), view.parts()
    if norms is None or "rnn" not in parts or "head" not in parts:
        return {}
    rnn, head = (np.nanmedian(np.nanmean(norms[-50:, parts[part]], axis=1)) for part in ("rnn", "head"))
    return {"gradient_ratio": float(rnn / head)} if head > 0 else {}
