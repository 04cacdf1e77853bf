from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from .recipe import RecipeError

Criterion = Callable[[Tensor, Tensor], Tensor]


def criterion(kind: str, output: str) -> Criterion:
    """The loss by name: mean over clips and classes, on float32.

    kind : "bce-with-logits", or "bce" on probabilities
    output : what the model gives. Probabilities into a loss on logits are allowed: that misfit is what this project
        shows. Logits into a loss on probabilities are not: they lie outside [0, 1].
    Raises RecipeError for the second.
    """
    if kind == "bce" and output == "logits":
        raise RecipeError(
            "loss is bce, which takes probabilities, but the head gives logits (recipe); "
            "set loss=bce-with-logits or model.head_options.sigmoid=true"
        )
    return functional.binary_cross_entropy_with_logits if kind == "bce-with-logits" else binary_cross_entropy


def binary_cross_entropy(probabilities: Tensor, target: Tensor) -> Tensor:
    """BCE on probabilities, a hair inside [0, 1]: a float32 sum of weights can end at 1 + 1e-7."""
    with torch.autocast(probabilities.device.type, enabled=False):
        return functional.binary_cross_entropy(probabilities.float().clamp(0, 1), target)
