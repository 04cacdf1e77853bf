"""When the gradient of a part of the network goes quiet; not a finding by itself."""

import numpy as np

from ..stretches import Stretch, smoothed, sustained
from ..view import View

QUIET = 0.05
"""Of its peak to which a part's mean gradient norm falls when it goes quiet (D7); on a plateau that is no death yet."""


def quiet_since(view: View, part: str) -> Stretch | None:
    """Where the mean norm of a part's gradients was below `QUIET` of its peak; None if nowhere, or no such part."""
    norms, places = view.gradient_norms, view.parts().get(part)
    if norms is None or not places:
        return None
    mean = smoothed(np.nan_to_num(np.nanmean(norms[:, places], axis=1)), 5)
    return sustained(view.iterations, mean <= QUIET * np.maximum.accumulate(mean))
