import numpy as np
import pandas as pd

from ..findings import Undetermined
from ..stretches import sustained
from ..view import View
from .base import Found, found

KIND = "vanishing-through-time"

LOST = 1e-3
"""Of the largest over the frames to which the total gradient of a hidden state falls in frames that are further from
the loss; AutoTrainer's bound for the first layer against the last, here for frames. Ours: learning nets had .03 and
more, cut ones below 2e-4."""


def detect(view: View) -> Found:
    """The total gradient dL/dh_t falls below `LOST` on its way back through time, not learning.

    Frames after the largest do not count: attention and padding make gradients small there, time does not. Of a layer
    that reads backwards time runs the other way, and the two directions of a layer are looked at by themselves.
    """
    if not view.rnns:
        return
    tables = view.hidden_gradient_tables()
    if not tables:
        yield Undetermined(KIND, "no total hidden gradient was replayed; level standard does so now and then")
        return
    if view.has_learned is True:
        return
    for path, table in tables.items():
        share = kept(path, table)
        iterations = table.index.to_numpy()
        least = min(5, len(share))
        stretch = sustained(iterations, share < LOST, np.isfinite(share), least=least, share=0.6)
        if stretch is not None:
            measured = {"smallest_share": float(np.nanmedian(share[-10:])), "frames": float(table.shape[1])}
            yield found(KIND, view.severity(), stretch, {**measured, **view.standing()}, where=path)
            return


def kept(path: str, table: pd.DataFrame) -> np.ndarray:
    """(row,) smallest gradient of the frames on the way back from the largest, over that; NaN where all are 0."""
    profile = table.to_numpy(dtype=np.float64)
    if path.endswith("_reverse"):
        profile = profile[:, ::-1]
    largest = np.nanmax(profile, axis=1)
    place = np.argmax(np.nan_to_num(profile, nan=-1.0), axis=1)
    on_the_way = np.where(np.arange(profile.shape[1]) <= place[:, None], profile, np.nan)
    return np.where(largest > 0, np.nanmin(on_the_way, axis=1) / largest, np.nan)
