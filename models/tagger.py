from abc import abstractmethod

from torch import Tensor, nn

from .heads.base import Head, Output


class Tagger(nn.Module):
    """encode (convolution) -> gate (some heads) -> recur (RNN) -> head: from mel frames to one score a class.

    A subclass gives `encode`, and `recur` if it has a recurrent part. A tagger says what it gives (`output`), which
    modules give maps (`attention`) and which layer holds the output bias (`output_layer`): the recorder reads these.
    """

    head: Head

    @abstractmethod
    def encode(self, clips: Tensor) -> Tensor:
        """(clip, frame, mel) -> (clip, frame, feature); frames are kept."""

    def recur(self, features: Tensor) -> Tensor:
        """(clip, frame, feature) -> (clip, frame, hidden)."""
        return features

    def forward(self, clips: Tensor, mask: Tensor | None = None) -> Tensor:
        """Scores (clip, class), logits or probabilities as `output` says.

        clips : (clip, frame, mel)
        mask : (clip, frame) bool, True where a frame is real; None means all are. It reaches the pooling over frames;
            convolution and RNN see padding as frames like others
        """
        mask = None if mask is None else mask.bool()
        features = self.head.gate(self.encode(clips), clips)
        return self.head(self.recur(features), clips, mask)

    @property
    def output(self) -> Output:
        """Whether the scores are logits or probabilities."""
        return self.head.output

    @property
    def attention(self) -> dict[str, str]:
        """Modules whose output is a map (clip, frame, class), and what turns it into weights."""
        return {f"head.{path}": kind for path, kind in self.head.maps.items()}

    @property
    def output_layer(self) -> str:
        """The layer whose bias is the output's."""
        return "head.classification"
