"""nn.RNN: h_t = act(a_t), a_t = W_ih x_t + b_ih + W_hh h_{t-1} + b_hh, act tanh or relu.

Adjoint, lambda_t = dL/dh_t: delta_t = lambda_t * act'(a_t) is dL/da_t, lambda_{t-1} = g_{t-1} + W_hh^T delta_t,
dL/dx_t = W_ih^T delta_t. act' is 1 - h^2 or [h > 0].

Source: PyTorch's documentation of nn.RNN; the adjoint is ours, tests/diagnostics/through_time/test_total.py.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from .weights import LayerWeights, affine, backwards, pieces, recursion, with_first


class Elman:
    """A layer run again as soon as it is made; see `.base.Layer`."""

    def __init__(self, weights: LayerWeights, inputs: Tensor, initial: Sequence[Tensor], relu: bool) -> None:
        self.weights = weights
        self.relu = relu
        self.states = with_first(initial[0], inputs.shape[0])
        self.hidden = self.states[1:]
        to_gates = weights.recurrent.mT.contiguous()
        for piece in pieces(len(inputs)):
            self._run(piece, inputs[piece], to_gates)

    def _run(self, piece: slice, inputs: Tensor, to_gates: Tensor) -> None:
        act = torch.relu_ if self.relu else torch.tanh_
        bias = self.weights.input_bias + self.weights.recurrent_bias
        self.hidden[piece] = affine(inputs, self.weights.input, bias)
        before = self.states[piece.start]
        for now in self.hidden[piece].unbind():
            before = act(now.baddbmm_(before, to_gates))

    def adjoint(self, direct: Tensor, final_cell: Tensor | None, real: Tensor | None) -> Tensor:
        """Total dL/dh_t."""
        h = self.hidden
        self.deltas = (h > 0).to(h.dtype) if self.relu else (h * h).neg_().add_(1)
        lambdas = recursion(direct)
        for piece in reversed(list(pieces(len(direct)))):
            at, deltas = lambdas[piece.start : piece.stop + 1].unbind(), self.deltas[piece].unbind()
            for t in reversed(range(len(deltas))):
                at[t].baddbmm_(deltas[t].mul_(at[t + 1]), self.weights.recurrent)
        return lambdas[1:]

    def input_gradient(self) -> Tensor:
        """dL/dx_t."""
        return backwards(self.deltas, self.weights.input)
