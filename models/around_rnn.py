from torch import Tensor, nn


class AroundRNN(nn.Module):
    """What may stand round a recurrent layer: LayerNorm of what enters and what leaves it, and a way past it.

    The norm is of each frame's features. Ba et al. (1607.06450) put it inside the cell, on each gate's sums, which
    needs a loop over frames in Python; outside it keeps the inputs of the gates, and what the head is given, from
    running off, and the layer's own kernel. With both options off there are no parameters.

    n_in, n_out : features that enter and leave the layer
    n_past : features where the way past it joins again; None is n_out
    layer_norm, highway : what of it there is. The way past is the features as they are, or a linear layer without bias
        where their number differs
    """

    def __init__(self, n_in: int, n_out: int, *, n_past: int | None = None, layer_norm: bool, highway: bool) -> None:
        super().__init__()
        n_past = n_out if n_past is None else n_past
        self.norm_in = nn.LayerNorm(n_in) if layer_norm else nn.Identity()
        self.norm_out = nn.LayerNorm(n_out) if layer_norm else nn.Identity()
        self.past = (nn.Identity() if n_in == n_past else nn.Linear(n_in, n_past, bias=False)) if highway else None

    def normed(self, rnn: nn.RNNBase, features: Tensor) -> Tensor:
        """What the layer gives, (clip, frame, n_in) -> (clip, frame, n_out)."""
        return self.norm_out(rnn(self.norm_in(features))[0])

    def joined(self, hidden: Tensor, features: Tensor) -> Tensor:
        """What goes on, (clip, frame, n_past): the hidden frames, and what came past the layer."""
        return hidden if self.past is None else hidden + self.past(features)
