"""What methods and baselines there are; needs neither torch nor captum."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ..errors import unknown

Grain = Literal["cell", "frame", "mel"]
Of = Literal["logits", "probabilities"]


@dataclass(frozen=True)
class Method:
    """One way to attribute an output to the cells of a log-mel spectrogram.

    grain : what it tells apart: cells, or frames or mel bins alone, over whose cells a value is then spread evenly
    adds_up : its values are meant to add up to output - baseline output
    noise : it may be averaged over noisy copies of the clip (`noise` of `Options`)
    says : what a value means
    """

    name: str
    grain: Grain
    adds_up: bool
    noise: bool
    says: str


METHODS: tuple[Method, ...] = (
    Method("integrated-gradients", "cell", True, True, "the gradient, integrated on the way from the baseline"),
    Method("saliency", "cell", False, True, "the gradient at the clip, with its sign"),
    Method("input-x-gradient", "cell", False, True, "the gradient at the clip, times the way from the baseline"),
    Method("deep-lift", "cell", True, True, "differences from the baseline, passed back through modules that allow it"),
    Method("gradient-shap", "cell", True, False, "the gradient at random points on the way from noisy baselines"),
    Method("occlusion", "cell", False, False, "what the output loses with a time-frequency patch"),
    Method("ablation-mels", "mel", False, False, "what the output loses with a mel bin"),
    Method("ablation-frames", "frame", False, False, "what the output loses with a frame"),
    Method("grad-cam", "cell", False, False, "the last convolution's maps, weighted by their mean gradients"),
    Method("rnn-frames", "frame", False, False, "integrated gradients of the last RNN's output, summed over its units"),
    Method("rollout", "frame", False, False, "the network's own maps of the class, as shares of the frames"),
)

BASELINES: dict[str, str] = {
    "silence": "what silent frames are, in the network's own scaling",
    "mean": "the mean over the frames of the training clips, by mel bin",
    "blurred": "the clip itself, blurred until no sound in it is left",
}

DEFAULT_METHOD, DEFAULT_BASELINE = "integrated-gradients", "silence"

FEWEST_STEPS, MOST_STEPS = 64, 1024
"""Gradients on the way from the baseline: as many as it begins with, and may be raised to; ours: at 64 half of the
attributions of trained nets are off by more than .5 % of the difference, a few by 8 to 36 %."""


def method_named(name: str) -> Method:
    """The method of that name.

    Raises UnknownNameError listing the known ones.

    >>> method_named("occlusion").grain
    'cell'
    """
    for method in METHODS:
        if method.name == name:
            return method
    raise unknown("method", name, [method.name for method in METHODS], "attribute")


def check_names(methods: Sequence[str], baseline: str) -> None:
    """Raise UnknownNameError for a method or baseline that there is not."""
    for name in methods:
        method_named(name)
    if baseline not in BASELINES:
        raise unknown("baseline", baseline, BASELINES, "attribute")
