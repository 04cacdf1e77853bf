"""nn.GRU: r, z = sigmoid(W x_t + b + V h_{t-1} + d), s = V_n h_{t-1} + d_n, n = tanh(W_n x_t + b_n + r s),
h_t = (1 - z) n + z h_{t-1}, with W, b the `_ih` and V, d the `_hh` parameters.

Adjoint, lambda_t = dL/dh_t, each delta the gradient of what stands inside the nonlinearity (or is s):
delta_n = lambda (1 - z)(1 - n^2), delta_s = delta_n r, delta_r = delta_n s r (1 - r),
delta_z = lambda (h_{t-1} - n) z (1 - z);
lambda_{t-1} = g_{t-1} + z lambda_t + V^T [delta_r, delta_z, delta_s], dL/dx_t = W^T [delta_r, delta_z, delta_n].

Source: PyTorch's documentation of nn.GRU (r multiplies V_n h + d_n, not h; z keeps the past); the adjoint is ours,
tests/diagnostics/through_time/test_total.py.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from .weights import LayerWeights, affine, backwards, pieces, recursion, with_first


class Gru:
    """A layer run again as soon as it is made; see `.base.Layer`."""

    def __init__(self, weights: LayerWeights, inputs: Tensor, initial: Sequence[Tensor]) -> None:
        self.weights = weights
        self.size = size = weights.recurrent.shape[2]
        self.states = with_first(initial[0], inputs.shape[0])
        self.hidden = self.states[1:]
        self.gates = inputs.new_empty(*inputs.shape[:3], 3 * size)  # r, z, s, which the recurrent product fills
        self.new = torch.empty_like(self.hidden)
        to_gates = weights.recurrent.mT.contiguous()
        for piece in pieces(len(inputs)):
            self._fill(piece, inputs[piece])
            self._run(piece, to_gates)

    def _fill(self, piece: slice, inputs: Tensor) -> None:
        """What the gates are without the recurrence."""
        n, of_state = 2 * self.size, self.weights.recurrent_bias.clone()
        of_state[..., n:] = 0
        filled = affine(inputs, self.weights.input, self.weights.input_bias + of_state)
        self.gates[piece, ..., :n] = filled[..., :n]
        self.gates[piece, ..., n:] = self.weights.recurrent_bias[..., n:]
        self.new[piece] = filled[..., n:]

    def _run(self, piece: slice, to_gates: Tensor) -> None:
        gates = self.gates[piece]
        r, z, s = (gate.unbind() for gate in gates.chunk(3, dim=-1))
        rzs, rz, n = gates.unbind(), gates[..., : 2 * self.size].unbind(), self.new[piece].unbind()
        at = self.states[piece.start : piece.stop + 1].unbind()
        for t in range(len(n)):
            rzs[t].baddbmm_(at[t], to_gates)
            rz[t].sigmoid_()
            n[t].addcmul_(r[t], s[t]).tanh_()
            torch.lerp(n[t], at[t], z[t], out=at[t + 1])

    def adjoint(self, direct: Tensor, final_cell: Tensor | None, real: Tensor | None) -> Tensor:
        """Total dL/dh_t."""
        lambdas = recursion(direct)
        for piece in reversed(list(pieces(len(direct)))):
            kept = _to_factors(self.gates[piece], self.new[piece], self.states[piece])
            self._run_back(piece, lambdas[piece.start : piece.stop + 1], kept)
        return lambdas[1:]

    def _run_back(self, piece: slice, lambdas: Tensor, kept: Tensor) -> None:
        rzs, by_gate = self.gates[piece].unbind(), self.gates[piece].unflatten(-1, (3, self.size)).unbind()
        at, beside, keep = lambdas.unbind(), lambdas.unsqueeze(3).unbind(), kept.unbind()
        for t in reversed(range(len(rzs))):
            by_gate[t].mul_(beside[t + 1])
            at[t].baddbmm_(rzs[t], self.weights.recurrent).addcmul_(at[t + 1], keep[t])
        self.new[piece].mul_(lambdas[1:])

    def input_gradient(self) -> Tensor:
        """dL/dx_t."""
        rz = 2 * self.size
        return backwards(torch.cat([self.gates[..., :rz], self.new], dim=-1), self.weights.input)


def _to_factors(gates: Tensor, n: Tensor, before: Tensor) -> Tensor:
    """A copy of z, what lambda_t is kept by; overwrites r, z, s and n by what lambda_t is multiplied by in delta_r,
    delta_z, delta_s and delta_n.
    """
    r, z, s = gates.chunk(3, dim=-1)
    kept = z.clone(memory_format=torch.contiguous_format)
    torch.mul(before - n, kept * (1 - kept), out=z)
    torch.mul(1 - kept, 1 - n * n, out=n)
    of_s = n * r
    torch.mul(s * of_s, 1 - r, out=r)
    s.copy_(of_s)
    return kept
