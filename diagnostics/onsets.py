"""What died first: onsets by part of the network, in data-flow order."""

from dataclasses import dataclass

from .detectors import recurrent_state
from .detectors.quiet_parts import quiet_since
from .view import View


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
    quiet = {part: quiet_since(view, part) for part in view.parts()}
    places = {part: place for place, part in enumerate(quiet)}
    return [
        Onset(part, places[part], "gradient", of.first) for part, of in quiet.items() if of is not None and of.is_active
    ]


def _states(view: View) -> list[Onset]:
    place = list(view.parts()).index("rnn") if "rnn" in view.parts() else 0
    dead = {rnn: recurrent_state.dead_states(view, rnn) for rnn in view.rnns}
    return [Onset("rnn", place, "states", of.first, rnn) for rnn, of in dead.items() if of is not None and of.is_active]
