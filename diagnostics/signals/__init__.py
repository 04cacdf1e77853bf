"""What is measured each iteration, one file a subject."""

from .attention import AttentionMaps
from .base import Batch, Signal, SignalInfo
from .classes import ClassScores
from .gradients import GradientNorms
from .labels import LabelHealth
from .outputs import OutputHealth
from .weights import WeightNorms

__all__ = [
    "AttentionMaps",
    "Batch",
    "ClassScores",
    "GradientNorms",
    "LabelHealth",
    "OutputHealth",
    "Signal",
    "SignalInfo",
    "WeightNorms",
]
