"""What a layer of any kind of cell can do once it has been run again."""

from typing import Protocol

from torch import Tensor


class Layer(Protocol):
    """One layer, all its directions, run again; tensors are (frame, direction, clip, size), frames as they are read.

    It runs forward frame by frame on tensors of its own; the elementwise part of J_t is then worked out for many frames
    at once, which leaves one product and a few elementwise operations to each frame of the recursion. The fused kernel
    would not tell the gates, and on a CPU is slower than these loops (GRU, 128 units, both ways: 170 against 110 ms).
    """

    hidden: Tensor
    """(frame, direction, clip, out)"""

    def adjoint(self, direct: Tensor, final_cell: Tensor | None, real: Tensor | None) -> Tensor:
        """Total dL/dh_t: lambda_t = g_t + J_t^T lambda_{t+1}. Once only: it writes over the gates.

        direct     : (frame, direction, clip, out) g_t, dL/dh_t without the recurrence; 0 on padding
        final_cell : (direction, clip, hidden) dL/dc_n of an LSTM
        real       : (frame, clip, 1) False on padding; None where every frame is real
        """
        ...

    def input_gradient(self) -> Tensor:
        """(frame, direction, clip, feature) dL/dx_t through each direction, once `adjoint` has run."""
        ...
