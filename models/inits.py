"""Recurrent weights and gate biases that begin with a memory."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

RNN = nn.RNNBase | nn.RNNCellBase


def orthogonal_init(model: nn.Module) -> int:
    """Make the recurrent weights of every RNN orthogonal, each gate's block by itself; returns the number of RNNs.

    An orthogonal matrix has singular values of 1: it neither shrinks nor blows up what it passes back through time.

    Source: Saxe et al. 2013 (arXiv 1312.6120), section 3.
    """
    found = list(_rnns(model))
    for rnn in found:
        for name, weight in rnn.named_parameters(recurse=False):
            if name.startswith("weight_hh"):
                for block in weight.detach().split(rnn.hidden_size):
                    nn.init.orthogonal_(block)
    return len(found)


def chrono_init(model: nn.Module, n_frames: int) -> int:
    """Give the gates of every GRU and LSTM a memory of 1 to n_frames - 1 frames; returns the number changed.

    With b = log u, u uniform in [1, n_frames - 1]: of an LSTM the forget gate's bias is b and the input gate's -b; of a
    GRU, as PyTorch has it, the update gate z keeps the past (h = (1 - z) n + z h), so its bias is b. Both bias vectors
    are added up in PyTorch; the second one is set to 0 there. A plain RNN has no gates.

    n_frames : the longest memory that is of use, the frames of a clip
    Source: Tallec and Ollivier 2018 (arXiv 1804.11188), section 3.
    """
    gated = [rnn for rnn in _rnns(model) if isinstance(rnn, (nn.GRU, nn.LSTM, nn.GRUCell, nn.LSTMCell)) and rnn.bias]
    for rnn in gated:
        for name, bias in rnn.named_parameters(recurse=False):
            if name.startswith("bias_ih"):
                _remember(rnn, bias.detach(), rnn.get_parameter(name.replace("bias_ih", "bias_hh")).detach(), n_frames)
    return len(gated)


def _remember(rnn: RNN, given: Tensor, other: Tensor, n_frames: int) -> None:
    """Set the gates' parts of two bias vectors that PyTorch adds up."""
    size = rnn.hidden_size
    memory = torch.empty(size).uniform_(1, max(n_frames - 1, 1)).log().to(given)
    is_gru = isinstance(rnn, (nn.GRU, nn.GRUCell))  # blocks r, z, n; of an LSTM i, f, g, o
    parts = {size: memory} if is_gru else {0: -memory, size: memory}
    for start, values in parts.items():
        given[start : start + size] = values
        other[start : start + size] = 0


def _rnns(model: nn.Module) -> Iterator[RNN]:
    return (module for module in model.modules() if isinstance(module, RNN))
