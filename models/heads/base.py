from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from ..pooling import prior_logit

Output = Literal["logits", "probabilities"]


class Head(nn.Module):
    """From hidden frames and input frames to one score a class.

    `output` says whether the scores are logits or probabilities; `maps` names the submodules whose output is a map
    (clip, frame, class) and what turns it into weights ("weights", "sigmoid", "softmax-class", "softmax-time").
    """

    output: Output
    maps: ClassVar[dict[str, str]]
    classification: nn.Linear

    def gate(self, features: Tensor, inputs: Tensor) -> Tensor:
        """What reaches the recurrent layer: the convolution's features as they are, unless a head gates them."""
        return features

    @torch.no_grad()
    def set_prior_bias(self, prior: Tensor) -> None:
        """Start at the class prior (class,) instead of 1/2."""
        self.classification.bias.copy_(prior_logit(prior))
