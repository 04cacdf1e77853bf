from typing import ClassVar

from torch import Tensor, nn

from ..pooling import weighted_mean
from .base import Head
from .localisation import Axis, checked_axis, localisation_weights


class InputAttentionHead(Head):
    """The seed's cure: attention and localisation read the input's mel frames, not the RNN's outputs.

    y = sum_t att * cla * loc / (sum_t loc + 1e-5): att a sigmoid for each class and frame, loc a softmax, cla linear, y
    a logit.

    sigmoid : a sigmoid on cla, which makes y a probability (not the seed's; under a loss on logits a broken objective)
    axis : the softmax's axis; the seed's is "class"
    """

    floor = 1e-5  # the seed's
    attention_at_start: ClassVar[float] = 0.5

    def __init__(
        self, n_hidden: int, n_classes: int, n_mels: int, *, sigmoid: bool = False, axis: Axis = "class"
    ) -> None:
        super().__init__()
        self.axis: Axis = checked_axis(axis)
        self.classification = nn.Linear(n_hidden, n_classes)
        self.attention = nn.Linear(n_mels, n_classes)
        self.localisation = nn.Linear(n_mels, n_classes)
        self.sigmoid = sigmoid
        self.output = "probabilities" if sigmoid else "logits"
        self.maps = {"attention": "sigmoid", "localisation": f"softmax-{axis}"}

    def forward(self, hidden: Tensor, inputs: Tensor, mask: Tensor | None = None) -> Tensor:
        """(clip, frame, hidden) and (clip, frame, mel) -> (clip, class)."""
        frames = self.classification(hidden)  # (clip, frame, class)
        if self.sigmoid:
            frames = frames.sigmoid()
        weights = localisation_weights(self.localisation(inputs), self.axis, mask)
        return weighted_mean(self.attention(inputs).sigmoid() * frames, weights, mask, self.floor)
