from torch import Tensor

from .heads import Head
from .tagger import Tagger


class AttentionOnly(Tagger):
    """The head on the mel frames themselves: no convolution, no RNN. How far does the attention block get alone?"""

    def __init__(self, head: type[Head], n_classes: int, n_mels: int, **head_options) -> None:
        super().__init__()
        self.head = head(n_mels, n_classes, n_mels, **head_options)

    def encode(self, clips: Tensor) -> Tensor:
        """The clips as they are."""
        return clips
