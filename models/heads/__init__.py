"""Heads: from hidden frames to one score a class, one file each."""

from .base import Head
from .input_attention import InputAttentionHead
from .linear_softmax import LinearSoftmaxHead
from .localisation import LocalisationHead
from .mean import MeanHead
from .scalar_attention import ScalarAttentionHead

HEADS: dict[str, type[Head]] = {
    "mean": MeanHead,
    "localisation": LocalisationHead,
    "linear-softmax": LinearSoftmaxHead,
    "input-attention": InputAttentionHead,
    "scalar-attention": ScalarAttentionHead,
}

__all__ = [
    "HEADS",
    "Head",
    "InputAttentionHead",
    "LinearSoftmaxHead",
    "LocalisationHead",
    "MeanHead",
    "ScalarAttentionHead",
]
