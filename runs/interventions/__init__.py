"""Interventions, one a file: changes of a training that may bring a collapsed network back."""

from collections.abc import Iterable
from importlib.metadata import entry_points

from ...diagnostics.errors import FlatlineError, unknown
from .asymmetric_loss import AsymmetricLoss
from .base import Intervention, Loop, Patient
from .chrono_init import ChronoInit
from .class_balanced_sampling import ClassBalancedSampling
from .clip_gradients import ClipGradients
from .dropout import Dropout
from .fix_data import FixData
from .fix_labels import FixLabels
from .fix_objective import FixObjective
from .focal_loss import FocalLoss
from .gradient_highway import GradientHighway
from .higher_rate import HigherRate
from .input_attention import InputAttention
from .layer_norm import LayerNorm
from .less_weight_decay import LessWeightDecay
from .linear_softmax import LinearSoftmax
from .lower_rate import LowerRate
from .mask_padding import MaskPadding
from .no_frame_dropout import NoFrameDropout
from .orthogonal_init import OrthogonalInit
from .prior_bias import PriorBias
from .standardise_features import StandardiseFeatures
from .thaw import Thaw
from .time_softmax import TimeSoftmax
from .warm_up import WarmUp

INTERVENTIONS: tuple[Intervention, ...] = (
    FixObjective(),
    PriorBias(),
    LowerRate(),
    HigherRate(),
    ClipGradients(),
    WarmUp(),
    TimeSoftmax(),
    LinearSoftmax(),
    InputAttention(),
    LayerNorm(),
    GradientHighway(),
    OrthogonalInit(),
    ChronoInit(),
    NoFrameDropout(),
    StandardiseFeatures(),
    MaskPadding(),
    ClassBalancedSampling(),
    AsymmetricLoss(),
    FocalLoss(),
    LessWeightDecay(),
    Thaw(),
    Dropout(),
    FixLabels(),
    FixData(),
)
"""In the order in which they are tried where a diagnosis names none."""

GROUP = "flatline.interventions"
"""Entry points of users' own: each a subclass of `Intervention`."""


class InterventionError(FlatlineError):
    """An intervention of a user's own that cannot be used."""


def interventions() -> tuple[Intervention, ...]:
    """Flatline's, then users' own from the entry points of `GROUP`.

    Raises InterventionError for one that cannot be loaded, or has a name that is taken.
    """
    found = list(INTERVENTIONS)
    for entry in entry_points(group=GROUP):
        try:
            own = entry.load()()
        except Exception as error:
            raise InterventionError(
                f"the intervention {entry.name} ({entry.value}) cannot be loaded ({error}); mend it, or uninstall it"
            ) from error
        if not isinstance(own, Intervention) or own.name in {one.name for one in found}:
            why = "its name is taken" if isinstance(own, Intervention) else "it is no flatline Intervention"
            raise InterventionError(f"the intervention {entry.name} ({entry.value}) cannot be used: {why}; rename it")
        found.append(own)
    return tuple(found)


def named(names: Iterable[str]) -> tuple[Intervention, ...]:
    """Those of these names, in their order.

    Raises UnknownNameError listing the known ones.
    """
    known = {one.name: one for one in interventions()}
    return tuple(known[name] if name in known else _unknown(name, known) for name in names)


def _unknown(name: str, known: Iterable[str]) -> Intervention:
    raise unknown("intervention", name, list(known), "revive")


__all__ = ["INTERVENTIONS", "Intervention", "InterventionError", "Loop", "Patient", "interventions", "named"]
