from typing import Literal

from torch import Tensor, nn

from ..options import OptionError
from ..pooling import masked_softmax_time, weighted_mean
from .base import Head

Axis = Literal["class", "time"]


def checked_axis(axis: str) -> Axis:
    """The softmax's axis.

    Raises OptionError for anything but "class" and "time".
    """
    if axis not in ("class", "time"):
        raise OptionError(f"axis is {axis!r} (model.head_options); give class or time")
    return axis


def localisation_weights(scores: Tensor, axis: Axis, mask: Tensor | None) -> Tensor:
    """Softmax of (clip, frame, class) over classes, where classes compete for a frame, or over time."""
    return scores.softmax(dim=-1) if axis == "class" else masked_softmax_time(scores, mask)


class LocalisationHead(Head):
    """Frame-wise classification weighted by a softmax localisation, both on the RNN's outputs (1710.00343).

    y = sum_t cla * loc / sum_t loc, with cla a sigmoid (probabilities) or linear (logits).

    axis : the softmax's; the paper's is "class", where weights start at 1/K and every class competes for each frame
    sigmoid : the paper's sigmoid on the classification
    """

    floor = 1e-7  # the paper clips the weights there

    def __init__(
        self, n_hidden: int, n_classes: int, n_mels: int, *, sigmoid: bool = True, axis: Axis = "class"
    ) -> None:
        super().__init__()
        self.axis: Axis = checked_axis(axis)
        self.classification = nn.Linear(n_hidden, n_classes)
        self.localisation = nn.Linear(n_hidden, n_classes)
        self.sigmoid = sigmoid
        self.output = "probabilities" if sigmoid else "logits"
        self.maps = {"localisation": f"softmax-{axis}"}

    def forward(self, hidden: Tensor, inputs: Tensor, mask: Tensor | None = None) -> Tensor:
        """(clip, frame, hidden) -> (clip, class)."""
        frames = self.classification(hidden)  # (clip, frame, class)
        weights = localisation_weights(self.localisation(hidden), self.axis, mask)
        return weighted_mean(frames.sigmoid() if self.sigmoid else frames, weights, mask, self.floor)
