"""How far the gates of a fused RNN are open, which its kernel does not say."""

from typing import Any

import torch
from torch import Tensor, nn

from .call import RnnCall
from .frames import Frames
from .total import replayed
from .weights import suffixes

SIGMOID_GATES = {"GRU": {"r": 0, "z": 1}, "LSTM": {"i": 0, "f": 1, "o": 3}}
"""Gates by the place of their block in a layer's `gates`; the tanh ones (n, g) are candidates, not gates."""


@torch.no_grad()
def gate_openness(rnn: nn.RNNBase, inputs: Tensor, initial: Any = None) -> dict[str, Tensor]:
    """Mean of each gate over clips, frames and units, by layer and gate, such as "l0_reverse/z": 0 shut, 1 open.

    PyTorch's z keeps the past: at 1 a GRU's state stands still. Nothing for an nn.RNN, which has no gates.

    inputs : (clip, frame, feature), all frames real
    initial : h0, or (h0, c0), as in `RnnCall`
    Source: the formulas of `gru` and `lstm`, held against a loop over frames in tests/diagnostics/through_time.
    """
    places = SIGMOID_GATES.get(rnn.mode, {})
    if not places:
        return {}
    call = RnnCall(inputs, inputs[..., :0], initial=initial)
    layers = replayed(rnn, call, Frames(None, inputs.shape[1], inputs.device), rnn.weight_hh_l0.dtype)  # type: ignore[union-attr]
    found = {}
    for number, layer in enumerate(layers):
        by_gate = layer.gates.unflatten(-1, (-1, rnn.hidden_size)).mean(dim=(0, 2, 4))  # type: ignore[attr-defined]
        for suffix, values in zip(suffixes(rnn, number), by_gate, strict=True):
            found |= {f"{suffix}/{gate}": values[place] for gate, place in places.items()}
    return found
