"""What one call of an RNN took in and got back, and the gradients of its hidden states."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class RnnCall:
    """One call of an nn.RNN, nn.GRU or nn.LSTM on some clips, and the gradients that came back to it.

    Batch first and padded, whatever the call itself was; nothing here is modified. `out` is the hidden size, or
    proj_size where there is one; states and their gradients come layer by layer, forward before reverse, as in h_n.

    inputs              : (clip, frame, feature)
    output_gradient     : (clip, frame, directions * out) dL/d(output), what a tensor hook on the output sees
    lengths             : (clip,) int of real frames, on the CPU; None where every frame is real
    initial             : h0, or (h0, c0) of an LSTM, each (layers * directions, clip, size); None for zeros
    final_gradient      : (layers * directions, clip, out) dL/dh_n; None where h_n is not used
    final_cell_gradient : (layers * directions, clip, hidden) dL/dc_n of an LSTM; None where c_n is not used
    dropout_masks       : by layer but the last, (clip, frame, directions * out) what dropout multiplied that layer's
                          output by, 1/(1-p) included; None, whole or for a layer, where nothing was dropped
    """

    inputs: Tensor
    output_gradient: Tensor
    lengths: Tensor | None = None
    initial: Tensor | tuple[Tensor, Tensor] | None = None
    final_gradient: Tensor | None = None
    final_cell_gradient: Tensor | None = None
    dropout_masks: Sequence[Tensor | None] | None = None


@dataclass(frozen=True)
class HiddenGradients:
    """dL/dh_t of each layer and direction by PyTorch's suffix ("l0", "l0_reverse", "l1", ...).

    Each (clip, frame, out), frames in the clip's own order in both directions, 0 on padding.

    totals : through everything, later steps of the same layer included
    direct : without the layer's own recurrence: through the layer above or the output, and through h_n, which is the
             last real frame's state, or frame 0's in the reverse direction
    """

    totals: dict[str, Tensor]
    direct: dict[str, Tensor]
