from typing import ClassVar

from torch import Tensor, nn

from ..pooling import weighted_mean
from .base import Head


class ScalarAttentionHead(Head):
    """Attention and localisation on the input as 1703.06052 published them.

    One sigmoid a frame multiplies the convolution's output and the final output; the localisation is a softmax over
    classes: y = sum_t o * loc * att / sum_t loc, o = sigmoid(linear(RNN)): a probability. The attention's map is
    (clip, frame, 1), so the localisation, which has classes, is announced first.
    """

    floor = 1e-7
    attention_at_start: ClassVar[float] = 0.5

    def __init__(self, n_hidden: int, n_classes: int, n_mels: int) -> None:
        super().__init__()
        self.classification = nn.Linear(n_hidden, n_classes)
        self.attention = nn.Linear(n_mels, 1)
        self.localisation = nn.Linear(n_mels, n_classes)
        self.output = "probabilities"
        self.maps = {"localisation": "softmax-class", "attention": "sigmoid"}

    def gate(self, features: Tensor, inputs: Tensor) -> Tensor:
        """The convolution's output (clip, frame, feature) times the frame's attention."""
        return features * self._attention(inputs)

    def _attention(self, inputs: Tensor) -> Tensor:
        return self.attention(inputs).sigmoid()  # (clip, frame, 1)

    def forward(self, hidden: Tensor, inputs: Tensor, mask: Tensor | None = None) -> Tensor:
        """(clip, frame, hidden) and (clip, frame, mel) -> (clip, class)."""
        weights = self.localisation(inputs).softmax(dim=-1)  # (clip, frame, class)
        frames = self.classification(hidden).sigmoid() * self._attention(inputs)
        return weighted_mean(frames, weights, mask, self.floor)
