"""One layer's weights, both directions side by side, and what the cells of all kinds share."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

PIECE = 64
"""Frames worked on at once: what they need stays in a core's cache, and too few views live at a time to set off the
garbage collector. 4 clips of 3,000 frames through 3 x BiGRU(32): 240 ms, and 335 ms in one piece.
"""


@dataclass(frozen=True)
class LayerWeights:
    """A layer's weights, stacked over directions so that one batched product serves both.

    input          : (direction, gate * hidden, feature)
    recurrent      : (direction, gate * hidden, out)
    input_bias     : (direction, 1, gate * hidden), 0 where the RNN has no bias
    recurrent_bias : (direction, 1, gate * hidden)
    projection     : (direction, out, hidden) of an LSTM with proj_size
    """

    input: Tensor
    recurrent: Tensor
    input_bias: Tensor
    recurrent_bias: Tensor
    projection: Tensor | None


def suffixes(rnn: nn.RNNBase, layer: int) -> list[str]:
    """How PyTorch's parameters of a layer end: `["l0"]`, or `["l0", "l0_reverse"]`."""
    return [f"l{layer}", f"l{layer}_reverse"] if rnn.bidirectional else [f"l{layer}"]


def layer_weights(rnn: nn.RNNBase, layer: int) -> LayerWeights:
    """Copies of the weights that the layer's parameters hold now."""

    def stacked(kind: str) -> Tensor:
        return torch.stack([getattr(rnn, f"{kind}_{suffix}") for suffix in suffixes(rnn, layer)])

    recurrent = stacked("weight_hh")
    nothing = recurrent.new_zeros(recurrent.shape[0], 1, recurrent.shape[1])
    return LayerWeights(
        stacked("weight_ih"),
        recurrent,
        stacked("bias_ih").unsqueeze(1) if rnn.bias else nothing,
        stacked("bias_hh").unsqueeze(1) if rnn.bias else nothing,
        stacked("weight_hr") if rnn.proj_size else None,
    )


def pieces(n_frames: int) -> Iterator[slice]:
    """The frames in runs of `PIECE`, first to last; the last may be shorter."""
    for start in range(0, n_frames, PIECE):
        yield slice(start, min(start + PIECE, n_frames))


def affine(inputs: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """W x + b of some frames at once: (frame, direction, clip, feature) -> (frame, direction, clip, gate * hidden)."""
    products = torch.baddbmm(bias, inputs.transpose(0, 1).flatten(1, 2), weight.mT)
    return products.unflatten(1, (inputs.shape[0], inputs.shape[2])).transpose(0, 1)


def backwards(deltas: Tensor, weight: Tensor) -> Tensor:
    """W^T delta of all frames: (frame, direction, clip, gate * hidden) -> (frame, direction, clip, feature)."""
    products = torch.bmm(deltas.transpose(0, 1).flatten(1, 2), weight)
    return products.unflatten(1, (deltas.shape[0], deltas.shape[2])).transpose(0, 1)


def with_first(first: Tensor, n_frames: int) -> Tensor:
    """Room for a state at each frame, after the initial one: (1 + frame, direction, clip, size)."""
    states = first.new_empty(1 + n_frames, *first.shape)
    states[0] = first
    return states


def recursion(direct: Tensor) -> Tensor:
    """Where the adjoint runs: 0 for the initial state, then the direct gradients, (1 + frame, direction, clip, out)."""
    return torch.cat([torch.zeros_like(direct[:1]), direct])
