"""Total dL/dh_t of every layer and direction of a fused RNN, without autograd.

A hook on a fused RNN's output sees g_t, the direct term of dL/dh_t alone. The rest comes through later hidden states:
lambda_t = g_t + J_t^T lambda_{t+1}, with J_t = dh_{t+1}/dh_t. Each layer is run again from its inputs, then the adjoint
runs backwards from the top layer down; the formulas of J_t stand with each cell (`elman`, `gru`, `lstm`).

Source: ours, held against autograd through loops of cells in tests/diagnostics/through_time/test_total.py.
"""

from collections.abc import Sequence
from contextlib import nullcontext
from functools import partial

import torch
from torch import Tensor, nn

from .base import Layer
from .call import HiddenGradients, RnnCall
from .elman import Elman
from .frames import Frames
from .gru import Gru
from .lstm import Lstm
from .weights import layer_weights, suffixes

CELLS = {"RNN_TANH": partial(Elman, relu=False), "RNN_RELU": partial(Elman, relu=True), "GRU": Gru, "LSTM": Lstm}


@torch.no_grad()
def total_hidden_gradients(rnn: nn.RNNBase, call: RnnCall) -> HiddenGradients:
    """dL/dh_t of every layer and direction, with and without the layer's own recurrence.

    Runs in the weights' dtype on their device, queues work there without waiting for it, and leaves the module, its
    hooks, the random state and the call's tensors as they are. Dropout between layers counts only where the call has
    its masks. Needs memory for about six (an LSTM nine) hidden states per frame of every layer.
    """
    weight = rnn.weight_hh_l0
    assert isinstance(weight, Tensor)
    kind = weight.device.type
    with torch.autocast(kind, enabled=False) if torch.amp.is_autocast_available(kind) else nullcontext():
        frames = Frames(call.lengths, call.inputs.shape[1], weight.device)
        return _adjoints(rnn, call, frames, replayed(rnn, call, frames, weight.dtype))


def replayed(rnn: nn.RNNBase, call: RnnCall, frames: Frames, dtype: torch.dtype) -> list[Layer]:
    """Its layers, run again from the call's inputs."""
    layers: list[Layer] = []
    inputs = frames.without_padding(call.inputs.to(dtype))
    for layer in range(rnn.num_layers):
        if layers:
            outputs = torch.cat(frames.as_they_come(layers[-1].hidden), dim=-1)
            inputs = frames.without_padding(_masked(outputs, call.dropout_masks, layer - 1))
        read = frames.as_read([inputs] * (1 + rnn.bidirectional))
        layers.append(CELLS[rnn.mode](layer_weights(rnn, layer), read, _initial(rnn, call, layer, read)))
    return layers


def _adjoints(rnn: nn.RNNBase, call: RnnCall, frames: Frames, layers: list[Layer]) -> HiddenGradients:
    totals: dict[str, Tensor] = {}
    direct: dict[str, Tensor] = {}
    real = None if frames.real is None else frames.real.transpose(0, 1)
    gradient = frames.without_padding(call.output_gradient)
    for layer in reversed(range(rnn.num_layers)):
        read = frames.as_read(gradient.chunk(1 + rnn.bidirectional, dim=-1)).to(layers[layer].hidden.dtype)
        if call.final_gradient is not None:
            read = frames.add_to_last(read, _of_layer(rnn, call.final_gradient, layer).to(read.dtype))
        final_cell = None
        if call.final_cell_gradient is not None:
            final_cell = _of_layer(rnn, call.final_cell_gradient, layer).to(read.dtype)
        total = layers[layer].adjoint(read, final_cell, real)
        direct |= zip(suffixes(rnn, layer), frames.as_they_come(read), strict=True)
        totals |= zip(suffixes(rnn, layer), frames.as_they_come(total), strict=True)
        if layer:
            through = torch.stack(frames.as_they_come(layers[layer].input_gradient())).sum(0)
            gradient = frames.without_padding(_masked(through, call.dropout_masks, layer - 1))
    return HiddenGradients(totals, direct)


def _masked(values: Tensor, masks: Sequence[Tensor | None] | None, layer: int) -> Tensor:
    mask = None if masks is None else masks[layer]
    return values if mask is None else values * mask.to(values.dtype)


def _of_layer(rnn: nn.RNNBase, states: Tensor, layer: int) -> Tensor:
    n_directions = 1 + rnn.bidirectional
    return states[layer * n_directions : (layer + 1) * n_directions]


def _initial(rnn: nn.RNNBase, call: RnnCall, layer: int, read: Tensor) -> list[Tensor]:
    """h0, or h0 and c0, of a layer: (direction, clip, size) each."""
    if call.initial is not None:
        given = call.initial if isinstance(call.initial, tuple) else (call.initial,)
        return [_of_layer(rnn, states, layer).to(read.dtype) for states in given]
    sizes = (rnn.proj_size or rnn.hidden_size, rnn.hidden_size)[: 2 if rnn.mode == "LSTM" else 1]
    return [read.new_zeros(*read.shape[1:3], size) for size in sizes]
