"""Gradients averaged over noisy copies of a clip."""

from typing import Any

from captum.attr import NoiseTunnel
from torch import Tensor

from .explained import Explained
from .found import Found, Options


def tunnelled(explainer: Any, at: Tensor, given: Explained, options: Options, **more: Any) -> Found:
    """What a captum explainer gives at a point, or where noise is wanted on average around it.

    (captum's noise tunnel; SmoothGrad, Smilkov et al. 2017.)

    at : (frame, mel)
    """
    inputs = at.unsqueeze(0).clone().requires_grad_()
    if not options.noise:
        return Found(explainer.attribute(inputs, target=given.index, **more)[0].detach())
    values: Any = NoiseTunnel(explainer).attribute(
        inputs,
        nt_type="smoothgrad",
        nt_samples=options.noise,
        nt_samples_batch_size=1 if "internal_batch_size" in more else min(options.noise, given.batch),
        stdevs=options.noise_share * float(at.std(correction=0)),
        target=given.index,
        **more,
    )
    return Found(values[0].detach(), options.noise)
