from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from ..pooling import prior_logit

Output = Literal["logits", "probabilities"]


class Head(nn.Module):
    """From hidden frames and input frames to one score a class.

    `output` says whether the scores are logits or probabilities; `maps` names the submodules whose output is a map
    (clip, frame, class) and what turns it into weights ("weights", "sigmoid", "softmax-class", "softmax-time");
    `attention_at_start` is what a factor on the scores, if the head has one, is worth before training.
    """

    output: Output
    maps: dict[str, str]
    classification: nn.Linear
    attention_at_start: ClassVar[float] = 1.0

    def gate(self, features: Tensor, inputs: Tensor) -> Tensor:
        """What reaches the recurrent layer: the convolution's features as they are, unless a head gates them."""
        return features

    @torch.no_grad()
    def set_prior_bias(self, prior: Tensor) -> None:
        """Start at about the class prior (class,) instead of 1/2; exactly there without an attention.

        An attention is taken for `attention_at_start`, which holds while its input is small, and is off elsewhere: at a
        prior of .0149 an untrained CGRNN starts, on average over classes, at .014-.016 for inputs around 0, but for
        inputs around -3 at .06-.10 with input attention and at .007-.029 with scalar attention (12 seeds). Scaling the
        input to about 0 cures that.

        Under a factor a on the scores the bias is logit(prior) / a for logits, logit(prior / a) for probabilities: with
        the plain logit an attention head that gives probabilities starts further off than without any.
        """
        factor = self.attention_at_start
        if factor == 1 or self.output == "logits":
            bias = prior_logit(prior) / factor
        else:
            bias = prior_logit((prior / factor).clamp(max=0.95))  # beyond, the sigmoid would start saturated
        self.classification.bias.copy_(bias)
