"""Whether an RNN's states still tell one clip from another; not a finding by itself."""

import numpy as np

from ..stretches import Stretch, sustained
from ..view import View

SPREAD_LOST = 0.1
"""Of its running maximum to which a hidden state's spread between clips falls in a dead RNN; ours: dead within
iterations 41 to 95, with a spread a thousandth of what it was."""

SATURATED = 0.85
"""Share of hidden states beyond |h| > .9 in a dead RNN; ours: dead ones had .9 to .99, a learning one .73 at most."""


def dead_states(view: View, rnn: str) -> Stretch | None:
    """Where an RNN's states were saturated, or nearly the same for every clip."""
    signs = [_saturated(view, rnn), _alike(view, rnn)]
    given = [sign for sign in signs if sign is not None]
    return min(given, key=lambda sign: (not sign.is_active, sign.first)) if given else None


def evidence(view: View, rnn: str) -> dict[str, float]:
    """The newest saturation, and spread over its running maximum."""
    values = {}
    if (share := view.scalar(f"saturation.{rnn}")) is not None:
        values["saturation"] = float(share[np.isfinite(share)][-1])
    if (spread := view.scalar(f"hidden_spread.{rnn}")) is not None:
        good = spread[np.isfinite(spread)]
        values["hidden_spread"] = float(good[-1])
        values["hidden_spread_share_of_peak"] = float(good[-1] / good.max()) if good.max() > 0 else 0.0
    return values


def _saturated(view: View, rnn: str) -> Stretch | None:
    share = view.scalar(f"saturation.{rnn}")
    return None if share is None else sustained(view.iterations, share > SATURATED, np.isfinite(share))


def _alike(view: View, rnn: str) -> Stretch | None:
    spread = view.scalar(f"hidden_spread.{rnn}")
    if spread is None:
        return None
    known = np.isfinite(spread)
    peak = np.maximum.accumulate(np.where(known, spread, 0.0))
    return sustained(view.iterations, spread < SPREAD_LOST * peak, known)
