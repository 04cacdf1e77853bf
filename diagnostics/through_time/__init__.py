"""The gradient that reaches every hidden state of a fused RNN, its own recurrence included."""

from .call import HiddenGradients, RnnCall
from .dropout import interlayer_dropout_masks
from .openness import gate_openness
from .total import total_hidden_gradients

__all__ = ["HiddenGradients", "RnnCall", "gate_openness", "interlayer_dropout_masks", "total_hidden_gradients"]
