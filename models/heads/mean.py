from torch import Tensor, nn

from ..pooling import masked_mean
from .base import Head


class MeanHead(Head):
    """Mean over frames of a linear layer (logits), or of its sigmoid (probabilities).

    The second form is the frame-wise sigmoid averaged over time of 1702.07787.

    n_hidden : features of a hidden frame
    sigmoid : average probabilities instead of logits
    """

    def __init__(self, n_hidden: int, n_classes: int, n_mels: int, *, sigmoid: bool = False) -> None:
        super().__init__()
        self.classification = nn.Linear(n_hidden, n_classes)
        self.sigmoid = sigmoid
        self.output = "probabilities" if sigmoid else "logits"
        self.maps = {"classification": "sigmoid"}

    def forward(self, hidden: Tensor, inputs: Tensor, mask: Tensor | None = None) -> Tensor:
        """(clip, frame, hidden) -> (clip, class)."""
        frames = self.classification(hidden)  # (clip, frame, class)
        return masked_mean(frames.sigmoid() if self.sigmoid else frames, mask)
