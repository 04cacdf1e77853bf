"""Architectures and heads of audio taggers; knows torch alone."""

from .build import ARCHITECTURES, build
from .heads import HEADS, Head
from .options import OptionError
from .tagger import Tagger

__all__ = ["ARCHITECTURES", "HEADS", "Head", "OptionError", "Tagger", "build"]
