"""Integrated gradients, their steps raised until they add up."""

from collections.abc import Callable

from captum.attr import IntegratedGradients
from torch import Tensor

from .explained import Explained
from .found import Found, Options
from .noise import tunnelled

SHARE, LEAST = 0.01, 0.05
"""The sum may be off by `SHARE` of the difference between output and baseline output, or of `LEAST` where that is
larger; ours: docs/attribution.md says how many steps it takes."""


def tolerance(difference: float) -> float:
    """By how much the sum of an attribution may miss output - baseline output.

    >>> tolerance(-0.8), tolerance(0.0)
    (0.008, 0.0005)
    """
    return SHARE * max(abs(difference), LEAST)


def integrated_gradients(given: Explained, difference: float, options: Options) -> Found:
    """(clip - baseline) times the mean gradient on the straight way between them (Sundararajan et al. 2017).

    Gauss-Legendre quadrature, its points doubled from `options.steps` until the sum is within `tolerance` of
    `difference`, or `options.most_steps` are reached. Averaged over noisy copies they add up to none, and the steps are
    not raised.
    """
    if options.noise:
        start, batch = given.baseline.unsqueeze(0), given.batch
        way = {"baselines": start, "n_steps": options.steps, "internal_batch_size": batch}
        return tunnelled(IntegratedGradients(given.scores), given.clip, given, options, **way)
    return raised(given.scores, given.clip, given.baseline, given, difference, options)


def raised(
    scores: Callable[[Tensor], Tensor],
    end: Tensor,
    start: Tensor,
    given: Explained,
    difference: float,
    options: Options,
) -> Found:
    """Integrated gradients of any function of one tensor."""
    explainer, steps = IntegratedGradients(scores), options.steps
    while True:
        values = explainer.attribute(
            end.unsqueeze(0),
            start.unsqueeze(0),
            target=given.index,
            n_steps=steps,
            internal_batch_size=given.batch,
        )[0].detach()
        miss = abs(float(values.double().sum()) - difference)
        if miss <= tolerance(difference) or 2 * steps > options.most_steps:
            return Found(values, steps)
        steps *= 2
