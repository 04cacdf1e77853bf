"""Architectures and heads of audio taggers; knows torch alone."""

from .build import ARCHITECTURES, build
from .heads import HEADS, Head
from .tagger import Tagger

__all__ = ["ARCHITECTURES", "HEADS", "Head", "Tagger", "build"]
