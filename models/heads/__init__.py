"""Heads: from hidden frames to one score a class, one file each."""

from .base import Head
from .input_attention import InputAttentionHead
from .localisation import LocalisationHead
from .mean import MeanHead
from .scalar_attention import ScalarAttentionHead

HEADS: dict[str, type[Head]] = {
    "mean": MeanHead,
    "localisation": LocalisationHead,
    "input-attention": InputAttentionHead,
    "scalar-attention": ScalarAttentionHead,
}

__all__ = ["HEADS", "Head", "InputAttentionHead", "LocalisationHead", "MeanHead", "ScalarAttentionHead"]
