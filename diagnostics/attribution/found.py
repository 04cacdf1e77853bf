from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, eq=False)
class Found:
    """What a method gave.

    values : (frame, mel), signed
    steps : gradients on the way, or random samples; None where a method has neither
    """

    values: Tensor
    steps: int | None = None


@dataclass(frozen=True)
class Options:
    """What can be chosen.

    steps, most_steps : of the ways that are integrated: as many as it begins with, and may be raised to
    noise : noisy copies of the clip to average over; 0 is none (captum's noise tunnel, SmoothGrad)
    noise_share : standard deviation of that noise over the clip's own
    samples : of gradient SHAP
    patch : frames and mel bins of an occluded patch; the next one begins half a patch further
    seed : of all random numbers
    """

    steps: int = 64
    most_steps: int = 1024
    noise: int = 0
    noise_share: float = 0.1
    samples: int = 128
    patch: tuple[int, int] = (8, 4)
    seed: int = 0
