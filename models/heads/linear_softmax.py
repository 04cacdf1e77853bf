from torch import Tensor, nn

from ..pooling import weighted_mean
from .base import Head


class LinearSoftmaxHead(Head):
    """Frames weighted by their own probabilities: y = sum_t p^2 / sum_t p, p the sigmoid of a linear layer.

    A probability between the mean over frames and their maximum. Unlike a softmax's, its weights are bounded by what
    the frames say, so no single frame takes all, and every frame that says a class gets a gradient towards it.

    Source: Wang et al. 2018 (arXiv 1810.09050), section 2, the best of five poolings for localisation.
    """

    floor = 1e-7  # for a clip whose frames all say 0

    def __init__(self, n_hidden: int, n_classes: int, n_mels: int) -> None:
        super().__init__()
        self.classification = nn.Linear(n_hidden, n_classes)
        self.output = "probabilities"
        self.maps = {"classification": "sigmoid"}

    def forward(self, hidden: Tensor, inputs: Tensor, mask: Tensor | None = None) -> Tensor:
        """(clip, frame, hidden) -> (clip, class)."""
        frames = self.classification(hidden).sigmoid()  # (clip, frame, class)
        return weighted_mean(frames, frames, mask, self.floor)
