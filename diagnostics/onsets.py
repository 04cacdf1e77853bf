"""What died first: onsets by part of the network, in data-flow order."""

from dataclasses import dataclass

import numpy as np

from .detectors import recurrent_state
from .stretches import smoothed, sustained
from .view import View

QUIET = 0.05
"""Of its peak to which a part's mean gradient norm falls when it goes quiet (D7); on a plateau that is no death yet."""


@dataclass(frozen=True)
class Onset:
    """When a part of the network stopped.

    part : conv, rnn, attention, head or other; place : its position in data-flow order
    what : "gradient" (below 5 % of its peak) or "states" (saturated, or the same for every clip)
    where : the module, for states
    """

    part: str
    place: int
    what: str
    iteration: int
    where: str = ""


def onsets(view: View) -> tuple[Onset, ...]:
    """Of every part that is quiet at the end, earliest first; of two at one iteration the later in data-flow order."""
    found = [*_gradients(view), *_states(view)]
    return tuple(sorted(found, key=lambda onset: (onset.iteration, -onset.place)))


def _gradients(view: View) -> list[Onset]:
    norms = view.gradient_norms
    if norms is None:
        return []
    found = []
    for place, (part, places) in enumerate(view.parts().items()):
        mean = smoothed(np.nan_to_num(np.nanmean(norms[:, places], axis=1)), 5)
        stretch = sustained(view.iterations, mean <= QUIET * np.maximum.accumulate(mean))
        if stretch is not None and stretch.is_active:
            found.append(Onset(part, place, "gradient", stretch.first))
    return found


def _states(view: View) -> list[Onset]:
    place = list(view.parts()).index("rnn") if "rnn" in view.parts() else 0
    dead = {rnn: recurrent_state.dead_states(view, rnn) for rnn in view.rnns}
    return [Onset("rnn", place, "states", of.first, rnn) for rnn, of in dead.items() if of is not None and of.is_active]
