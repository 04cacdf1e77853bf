"""What is measured each iteration, one file a subject."""

from .activations import Activations
from .attention import AttentionMaps
from .base import Batch, Signal, SignalInfo
from .classes import ClassScores
from .gradients import GradientNorms
from .hidden_gradients import HiddenGradients
from .inputs import InputHealth
from .labels import LabelHealth
from .outputs import OutputHealth
from .recurrent import RecurrentStates
from .weights import WeightUpdates

__all__ = [
    "Activations",
    "AttentionMaps",
    "Batch",
    "ClassScores",
    "GradientNorms",
    "HiddenGradients",
    "InputHealth",
    "LabelHealth",
    "OutputHealth",
    "RecurrentStates",
    "Signal",
    "SignalInfo",
    "WeightUpdates",
]
