from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional

from .recipe import RecipeError

Criterion = Callable[[Tensor, Tensor], Tensor]
Plain = Callable[..., Tensor]


FOCUS = 2.0
"""Gamma of the focal loss: the best of 1708.02002, table 1b."""

ASYMMETRIC = (0.0, 4.0, 0.05)
"""Gamma of what is there, gamma of what is not, and the margin below which the latter is not counted: 2009.14119's
for many labels (section 3.2)."""


def criterion(kind: str, output: str, focus: str = "none") -> Criterion:
    """The loss by name: mean over clips and classes, on float32.

    kind : "bce-with-logits", or "bce" on probabilities
    focus : "focal": (1 - p_t)^2 times the cross-entropy, p_t the probability of what is so; "asymmetric": -log p where
        a class is there, and p_m^4 (-log(1 - p_m)) with p_m = max(p - .05, 0) where it is not. Both bend the loss away
        from what is known already, such as the many classes that a clip does not have; neither is at H0 for a constant
        predictor, nor does its gradient say what that of cross-entropy would
    output : what the model gives. Probabilities into a loss on logits are allowed: that misfit is what this project
        shows. Logits into a loss on probabilities are not: they lie outside [0, 1].
    Raises RecipeError for the second.
    """
    if kind == "bce" and output == "logits":
        raise RecipeError(
            "loss is bce, which takes probabilities, but the head gives logits (recipe); "
            "set loss=bce-with-logits or model.head_options.sigmoid=true"
        )
    plain = functional.binary_cross_entropy_with_logits if kind == "bce-with-logits" else binary_cross_entropy
    bent = {"focal": focal_loss, "asymmetric": asymmetric_loss}
    return partial(bent[focus], plain) if focus in bent else plain


def focal_loss(plain: Plain, scores: Tensor, target: Tensor) -> Tensor:
    """Mean of (1 - p_t)^FOCUS times the cross-entropy -log p_t.

    plain : cross-entropy that takes `scores`, logits or probabilities, and `reduction`
    Source: Lin et al. 2017 (RetinaNet, arXiv 1708.02002), equation 4.
    """
    entropy = plain(scores, target, reduction="none")
    return ((1 - torch.exp(-entropy)) ** FOCUS * entropy).mean()


def asymmetric_loss(plain: Plain, scores: Tensor, target: Tensor) -> Tensor:
    """Mean of (1 - p)^g+ (-log p) where the target is 1, of p_m^g- (-log(1 - p_m)), p_m = max(p - margin, 0), where 0.

    plain : as for `focal_loss`
    Source: Ridnik et al. 2020 (arXiv 2009.14119), equations 4 to 7.
    """
    of_there, of_absent, margin = ASYMMETRIC
    there = plain(scores, torch.ones_like(target), reduction="none")  # -log p
    p = torch.exp(-there)
    shifted = (p - margin).clamp_min(0)
    absent = shifted**of_absent * -torch.log1p(-shifted)
    return (target * (1 - p) ** of_there * there + (1 - target) * absent).mean()


def resting_point(prior: Tensor, focus: str) -> Tensor:
    """(class,) probability at which a constant predictor's loss is least: the prior itself, if the loss is not bent.

    A bent loss counts what is absent for less, so a class of .015 rests near .2, and a net that starts at the prior is
    pushed up there by every class at once. To a thousandth in logit.

    prior : (class,) share of clips with each class
    """
    if focus == "none":
        return prior
    logits = torch.arange(-12, 12, 1e-3)  # (point,)
    there, absent = (_by_point(logits, torch.full_like(logits, label), focus) for label in (1.0, 0.0))
    q = prior.float().unsqueeze(-1)  # (class, 1)
    return logits[(q * there + (1 - q) * absent).argmin(dim=-1)].sigmoid().to(prior)


def _by_point(logits: Tensor, target: Tensor, focus: str) -> Tensor:
    return torch.func.vmap(criterion("bce-with-logits", "logits", focus))(logits, target)


def binary_cross_entropy(probabilities: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    """BCE on probabilities, a hair inside [0, 1]: a float32 sum of weights can end at 1 + 1e-7."""
    with torch.autocast(probabilities.device.type, enabled=False):
        return functional.binary_cross_entropy(probabilities.float().clamp(0, 1), target, reduction=reduction)
