"""nn.LSTM: i, f, o = sigmoid, g = tanh of W x_t + b + V h_{t-1} + d, with W, b the `_ih` and V, d the `_hh` parameters;
c_t = f c_{t-1} + i g, h_t = o tanh(c_t), or W_hr of that with proj_size.

Adjoint, lambda_t = dL/dh_t, mu = lambda_t or W_hr^T lambda_t, epsilon_t = dL/dc_t, each delta the gradient of what
stands inside the nonlinearity: epsilon_t = f_{t+1} epsilon_{t+1} + mu o (1 - tanh(c_t)^2),
delta_i = epsilon g i (1 - i), delta_f = epsilon c_{t-1} f (1 - f), delta_g = epsilon i (1 - g^2),
delta_o = mu tanh(c_t) o (1 - o); lambda_{t-1} = g_{t-1} + V^T delta, dL/dx_t = W^T delta.
dL/dc_n stands for f_{t+1} epsilon_{t+1} at each clip's last frame.

Source: PyTorch's documentation of nn.LSTM; the adjoint is ours, tests/diagnostics/through_time/test_total.py.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from .weights import LayerWeights, affine, backwards, pieces, recursion, with_first


class Lstm:
    """A layer run again as soon as it is made; see `.base.Layer`."""

    def __init__(self, weights: LayerWeights, inputs: Tensor, initial: Sequence[Tensor]) -> None:
        self.weights = weights
        self.size = initial[1].shape[2]
        self.states, self.cells = (with_first(first, inputs.shape[0]) for first in initial)
        self.hidden = self.states[1:]
        self.squashed = torch.empty_like(self.cells[1:])  # tanh(c_t)
        self.gates = inputs.new_empty(*inputs.shape[:3], 4 * self.size)  # i, f, g, o
        to_gates = weights.recurrent.mT.contiguous()
        to_states = None if weights.projection is None else weights.projection.mT.contiguous()
        for piece in pieces(len(inputs)):
            self.gates[piece] = affine(inputs[piece], weights.input, weights.input_bias + weights.recurrent_bias)
            self._run(piece, to_gates, to_states)

    def _run(self, piece: slice, to_gates: Tensor, to_states: Tensor | None) -> None:
        gates, after = self.gates[piece], slice(piece.start, piece.stop + 1)
        ifgo, i_f = gates.unbind(), gates[..., : 2 * self.size].unbind()
        i, f, g, o = (gate.unbind() for gate in gates.chunk(4, dim=-1))
        h, c, squashed = self.states[after].unbind(), self.cells[after].unbind(), self.squashed[piece].unbind()
        for t in range(len(ifgo)):
            ifgo[t].baddbmm_(h[t], to_gates)
            i_f[t].sigmoid_()
            torch.mul(i[t], g[t].tanh_(), out=c[t + 1]).addcmul_(f[t], c[t])
            torch.tanh(c[t + 1], out=squashed[t])
            if to_states is None:
                torch.mul(o[t].sigmoid_(), squashed[t], out=h[t + 1])
            else:
                torch.bmm(o[t].sigmoid_() * squashed[t], to_states, out=h[t + 1])

    def adjoint(self, direct: Tensor, final_cell: Tensor | None, real: Tensor | None) -> Tensor:
        """Total dL/dh_t."""
        lambdas = recursion(direct)
        carry = torch.zeros_like(self.cells[0]) if final_cell is None else final_cell.clone()
        for piece in reversed(list(pieces(len(direct)))):
            forget = _to_factors(self.gates[piece], self.cells[piece], self.squashed[piece])
            if final_cell is not None and real is not None:
                # Padding hands dL/dc_n on to the last real frame as it is.
                padding = ~real[piece].unsqueeze(1)
                forget.masked_fill_(padding, 1)
                self.gates[piece].masked_fill_(padding, 0)
            self._run_back(piece, lambdas[piece.start : piece.stop + 1], forget, carry)
        return lambdas[1:]

    def _run_back(self, piece: slice, lambdas: Tensor, forget: Tensor, carry: Tensor) -> None:
        """`carry`, in place, from f_{t+1} epsilon_{t+1} after the piece to that before it."""
        gates, weights = self.gates[piece], self.weights
        ifgo, o = gates.unbind(), gates[..., 3 * self.size :].unbind()
        ifg = gates.unflatten(-1, (4, self.size))[..., :3, :].unbind()
        at, through_tanh, f = lambdas.unbind(), self.squashed[piece].unbind(), forget.unbind()
        beside = carry.unsqueeze(2)
        for t in reversed(range(len(ifgo))):
            mu = at[t + 1] if weights.projection is None else torch.bmm(at[t + 1], weights.projection)
            carry.addcmul_(mu, through_tanh[t])
            ifg[t].mul_(beside)
            o[t].mul_(mu)
            at[t].baddbmm_(ifgo[t], weights.recurrent)
            carry.mul_(f[t])

    def input_gradient(self) -> Tensor:
        """dL/dx_t."""
        return backwards(self.gates, self.weights.input)


def _to_factors(gates: Tensor, before: Tensor, squashed: Tensor) -> Tensor:
    """A copy of f; overwrites i, f, g by what epsilon_t is multiplied by in the deltas, o by what mu is in delta_o, and
    `squashed` by what mu is in epsilon_t.
    """
    i, f, g, o = gates.chunk(4, dim=-1)
    forget = f.clone(memory_format=torch.contiguous_format)
    f.mul_(1 - forget).mul_(before)
    of_i = (1 - i).mul_(i).mul_(g)
    torch.mul(i, 1 - g * g, out=g)
    i.copy_(of_i)
    of_o = (1 - o).mul_(o).mul_(squashed)
    torch.mul(o, 1 - squashed * squashed, out=squashed)
    o.copy_(of_o)
    return forget
