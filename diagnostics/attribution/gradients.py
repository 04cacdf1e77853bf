"""Methods that read the gradient at the clip, or pass differences back through the network."""

import torch
from captum.attr import DeepLift, GradientShap, InputXGradient, Saliency
from torch import Tensor, nn

from ..errors import AttachError
from ..parts import recurrent_modules
from .explained import Explained
from .found import Found, Options
from .integrated import tolerance
from .noise import tunnelled

BASELINE_NOISE = 0.1
"""Standard deviation of the noise on gradient SHAP's baselines, over the clip's own; ours."""


def saliency(given: Explained, difference: float, options: Options) -> Found:
    """The gradient at the clip, with its sign (Simonyan et al. 2013)."""
    return tunnelled(Saliency(given.scores), given.clip, given, options, abs=False)


def input_x_gradient(given: Explained, difference: float, options: Options) -> Found:
    """(clip - baseline) times the gradient at the clip.

    Captum's own takes the way from 0, which in scaled decibels is a loudness like any other (Shrikumar et al. 2016).
    """
    explainer = InputXGradient(lambda ways: given.scores(given.baseline + ways))
    return tunnelled(explainer, given.clip - given.baseline, given, options)


def deep_lift(given: Explained, difference: float, options: Options) -> Found:
    """Differences from the baseline by DeepLIFT's rescale rule (Shrikumar et al. 2017).

    The rule is known for modules that act on each value alone and for max pooling; captum takes the plain gradient of
    everything else. Where that happens the sum is no longer the difference, which is how it shows.

    Raises AttachError where it is not defined: for RNNs, and for networks with other non-linear parts.
    """
    for path, module in recurrent_modules(given.model):
        raise AttachError(
            f"deep-lift is not defined through {type(module).__name__} {path!r}: the rescale rule knows no products of "
            "gates, and captum would put plain gradients there; use integrated-gradients"
        )
    explainer, start = DeepLift(_AsModule(given)), given.baseline.unsqueeze(0)
    found = tunnelled(explainer, given.clip, given, options, baselines=start)
    miss = abs(float(found.values.double().sum()) - difference)
    if not options.noise and miss > tolerance(difference):
        raise AttachError(
            f"deep-lift is not defined for this network: its values miss output - baseline output by {miss:.3g} of "
            f"{difference:.3g}, so a non-linear part stands outside the modules that captum has rules for (a softmax, "
            "a product, a function such as .relu()); use integrated-gradients"
        )
    return found


def gradient_shap(given: Explained, difference: float, options: Options) -> Found:
    """Mean of (clip - baseline) times the gradient, at random points on the way from noisy baselines.

    (Expected gradients, Erion et al. 2021; Lundberg and Lee 2017.)
    """
    spread = BASELINE_NOISE * float(given.clip.std(correction=0))
    baselines = given.baseline + spread * torch.randn_like(given.baseline.expand(options.samples, -1, -1))
    total, done = torch.zeros_like(given.clip), 0
    while done < options.samples:
        n = min(given.batch, options.samples - done)
        found = GradientShap(given.scores).attribute(
            given.clip.unsqueeze(0), baselines[done : done + n], n_samples=n, target=given.index
        )
        total, done = total + n * found[0].detach(), done + n
    return Found(total / options.samples, options.samples)


class _AsModule(nn.Module):
    """What is explained, as captum's DeepLift wants it."""

    def __init__(self, given: Explained) -> None:
        super().__init__()
        self.model, self.given = given.model, given

    def forward(self, clips: Tensor) -> Tensor:
        return self.given.scores(clips)
