import numpy as np

from ..findings import Undetermined
from ..stretches import sustained
from ..view import View
from .base import Found, found

KIND = "vanishing-through-time"

LOST = 1e-4
"""Of the largest over the frames to which the total gradient of a hidden state falls somewhere; AutoTrainer's bound for
the first layer against the last, here for frames."""


def detect(view: View) -> Found:
    """The total gradient dL/dh_t of some frames falls below `LOST` of that of others, not learning."""
    tables = {rnn: table for rnn in view.rnns if (table := view.hidden_gradients(rnn)) is not None}
    if not tables:
        if view.rnns:
            yield Undetermined(KIND, "no total hidden gradient was replayed; level standard does so now and then")
        return
    if view.has_learned is True:
        return
    for rnn, table in tables.items():
        profile = table.to_numpy(dtype=np.float64)
        largest, smallest = np.nanmax(profile, axis=1), np.nanmin(profile, axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            share = np.where(largest > 0, smallest / largest, np.nan)
        iterations = table.index.to_numpy()
        stretch = sustained(iterations, share < LOST, np.isfinite(share), least=min(3, len(share)))
        if stretch is not None:
            measured = {"smallest_share": float(np.nanmedian(share[-10:])), "frames": float(profile.shape[1])}
            yield found(KIND, "critical", stretch, {**measured, **view.standing()}, where=rnn)
            return
