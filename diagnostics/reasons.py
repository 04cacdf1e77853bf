"""What speaks for a cause and what against it: a table of signs that each cause should show, and should not."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .detectors import recurrent_state
from .detectors.base import newest
from .detectors.broken_objective import KILLED, NEAR_LN2, ON_LOGITS
from .detectors.constant_predictor import AGREEMENT
from .detectors.gradient_death import OF_PEAK
from .detectors.learning_rate import LEAST_MOVING, TOO_LARGE, median_ratio
from .detectors.vanishing import LOST, kept
from .view import View


@dataclass(frozen=True)
class Sign:
    """Something that can be seen in a run: a measure that is True, False or None (not recorded), and words for both."""

    measure: Callable[[View], bool | None]
    yes: str
    no: str


def _is(name: str, holds: Callable[[float], bool]) -> Callable[[View], bool | None]:
    def measure(view: View) -> bool | None:
        values = view.scalar(name)
        return None if values is None or math.isnan(now := newest(values)) else bool(holds(now))

    return measure


def _over_entropy(view: View) -> float:
    loss, entropy = view.loss, view.scalar("label_entropy")
    if loss is None or entropy is None or not newest(entropy) > 0:
        return math.nan
    return newest(loss) / newest(entropy)


def _known(value: float, holds: Callable[[float], bool]) -> bool | None:
    return None if math.isnan(value) else bool(holds(value))


def _unit_range(view: View) -> bool | None:
    if view.info.get("loss_kind") not in ON_LOGITS:
        return None
    low, high = view.scalar("output_min"), view.scalar("output_max")
    if low is None or high is None:
        return None
    return view.info.get("output_kind") == "probabilities" or bool(
        np.nanmin(low[-50:]) >= 0 and np.nanmax(high[-50:]) <= 1
    )


def _states_dead(view: View) -> bool | None:
    dead = [recurrent_state.dead_states(view, rnn) for rnn in view.rnns]
    return any(of is not None and of.is_active for of in dead) if view.rnns else None


def _of_peak(view: View) -> bool | None:
    total = view.unclipped_norm()
    return None if total is None else bool(newest(total) < OF_PEAK * np.nanmax(total))


def _frames_cut(view: View) -> bool | None:
    tables = view.hidden_gradient_tables()
    return any(np.nanmedian(kept(path, table)[-10:]) < LOST for path, table in tables.items()) if tables else None


def _moving(view: View) -> bool | None:
    ratio = median_ratio(view)
    return None if ratio is None else bool(LEAST_MOVING < newest(ratio) < TOO_LARGE)


SIGNS: dict[str, Sign] = {
    "probabilities": Sign(
        _unit_range, "scores stay in [0, 1] under a loss on logits", "scores leave [0, 1], as logits do"
    ),
    "at-ln2": Sign(
        _is("ln2_distance", lambda value: value < NEAR_LN2),
        "the loss is at ln 2, the answer of one that says 1/2",
        "the loss has left ln 2",
    ),
    "head-killed": Sign(
        _is("rho", lambda value: value < KILLED),
        "the head's gradient is below what label noise keeps up (rho < .3)",
        "the head's gradient is at least that of label noise (rho)",
    ),
    "above-entropy": Sign(
        lambda view: _known(_over_entropy(view), lambda value: value > 1.5),
        "the loss is far above that of a constant predictor",
        "the loss is not far above that of a constant predictor",
    ),
    "below-entropy": Sign(
        lambda view: _known(_over_entropy(view), lambda value: value < 0.9),
        "the loss is below that of a constant predictor",
        "the loss is not below that of a constant predictor",
    ),
    "one-ranking": Sign(
        _is("rank_agreement", lambda value: value > AGREEMENT),
        "all clips get one ranking of classes",
        "clips get rankings of their own",
    ),
    "dead-states": Sign(
        _states_dead,
        "the RNN's states are saturated or the same for every clip",
        "the RNN's states tell clips apart",
    ),
    "gradient-gone": Sign(_of_peak, "the gradient is below 1 % of its peak", "the gradient is above 1 % of its peak"),
    "frames-cut": Sign(_frames_cut, "some frames get next to no gradient", "the gradient reaches every frame"),
    "moving": Sign(_moving, "the weights move at a usual pace", "the weights hardly move, or move by leaps"),
    "inputs-vary": Sign(
        lambda view: None if (spread := view.scalar("input_spread")) is None else bool(newest(spread) > 0),
        "the inputs differ between clips",
        "the inputs are the same for every clip",
    ),
    "learned": Sign(
        lambda view: view.has_learned,
        "the score is above the constant level",
        "the score is at the constant level",
    ),
}

EXPECTED: dict[str, dict[str, bool]] = {
    "broken-objective": {"probabilities": True, "head-killed": True, "above-entropy": True, "learned": False},
    "saturation-plateau": {
        **{"dead-states": True, "one-ranking": True, "learned": False},
        **{"probabilities": False, "head-killed": False, "above-entropy": False},
    },
    "constant-predictor": {"one-ranking": True, "learned": False, "probabilities": False, "inputs-vary": True},
    "single-class-collapse": {"learned": False, "one-ranking": False, "probabilities": False},
    "bypassed-recurrence": {"dead-states": True, "learned": True, "one-ranking": False},
    "gradient-death": {"gradient-gone": True, "learned": False, "probabilities": False},
    "vanishing-through-time": {"frames-cut": True, "learned": False, "head-killed": False, "inputs-vary": True},
    "exploding-gradients": {"learned": False, "gradient-gone": False},
    "dead-units": {"learned": False, "inputs-vary": True},
    "attention-collapse": {"learned": False, "probabilities": False},
    "frozen-parameters": {"learned": False},
    "learning-rate-too-high": {"moving": False, "learned": False},
    "learning-rate-too-low": {"moving": False, "learned": False, "head-killed": False},
    "label-problem": {"learned": False, "below-entropy": False, "probabilities": False},
    "non-finite": {},
}
"""What each cause should show (True) and should not (False); a sign that was not recorded counts for neither."""


@dataclass(frozen=True)
class Reasons:
    """Sentences for and against a cause; `sureness` is the share of the signs that could be seen that speak for it."""

    pro: tuple[str, ...]
    contra: tuple[str, ...]

    @property
    def sureness(self) -> float:
        """1 where all signs agree, or none could be seen; the finding's own criterion is not among them."""
        count = len(self.pro) + len(self.contra)
        return len(self.pro) / count if count else 1.0


def reasons_for(kind: str, view: View) -> Reasons:
    """What speaks for a kind of finding and what against it in a run."""
    pro, contra = [], []
    for name, expected in EXPECTED[kind].items():
        seen = SIGNS[name].measure(view)
        if seen is not None:
            (pro if seen == expected else contra).append(SIGNS[name].yes if seen else SIGNS[name].no)
    return Reasons(tuple(pro), tuple(contra))
