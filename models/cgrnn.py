from torch import Tensor, nn

from .around_rnn import AroundRNN
from .heads import Head
from .options import OptionError
from .tagger import Tagger


class GatedConv(nn.Module):
    """Conv 3x3 -> batch norm -> linear half * sigmoid(other half) (GLU, Dauphin et al. 2016, as in 1710.00343)."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(n_in, 2 * n_out, 3, padding=1, bias=False)  # the batch norm's bias serves
        self.norm = nn.BatchNorm2d(2 * n_out)

    def forward(self, maps: Tensor) -> Tensor:
        """(clip, channel, frame, mel) -> the same with n_out channels."""
        return nn.functional.glu(self.norm(self.conv(maps)), dim=1)


class CGRNN(Tagger):
    """The seed's gated convolutional recurrent network (1710.00343, as the seed built it).

    Four blocks of two gated convolutions and a pool of two mel bins, a fifth convolution without activation and a pool
    over the mel bins that are left, one bidirectional GRU whose output is forward * sigmoid(backward), a head. Frames
    are never pooled. 812,016 parameters at 64 channels, 64 mels, 80 classes and the seed's input attention.

    channels : of the gated convolutions (the seed's 64)
    n_hidden : of the fifth convolution and of a GRU's direction (the seed's 128); None is twice the channels
    layer_norm : LayerNorm on what enters and what leaves the GRU
    highway : a residual round the GRU, by which the head sees the convolution's features too
    """

    n_blocks = 4

    def __init__(
        self,
        head: type[Head],
        n_classes: int,
        n_mels: int,
        *,
        channels: int = 64,
        n_hidden: int | None = None,
        layer_norm: bool = False,
        highway: bool = False,
        **head_options,
    ) -> None:
        super().__init__()
        n_hidden = 2 * channels if n_hidden is None else n_hidden
        if n_mels < 2**self.n_blocks:
            raise OptionError(f"n_mels is {n_mels}, but cgrnn halves it {self.n_blocks} times; give 16 or more")
        blocks = []
        for block in range(self.n_blocks):
            n_in = 1 if block == 0 else channels
            blocks += [GatedConv(n_in, channels), GatedConv(channels, channels), nn.MaxPool2d((1, 2))]
        self.blocks = nn.Sequential(*blocks)
        self.conv = nn.Conv2d(channels, n_hidden, 3, padding=1)
        self.around = AroundRNN(n_hidden, 2 * n_hidden, n_past=n_hidden, layer_norm=layer_norm, highway=highway)
        self.gru = nn.GRU(n_hidden, n_hidden, batch_first=True, bidirectional=True)
        self.head = head(n_hidden, n_classes, n_mels, **head_options)

    def encode(self, clips: Tensor) -> Tensor:
        """(clip, frame, mel) -> (clip, frame, n_hidden)."""
        maps = self.conv(self.blocks(clips.unsqueeze(1)))  # (clip, channel, frame, mel left)
        return maps.amax(dim=-1).transpose(1, 2)

    def recur(self, features: Tensor) -> Tensor:
        """Forward half times the sigmoid of the backward half."""
        hidden = nn.functional.glu(self.around.normed(self.gru, features), dim=-1)
        return self.around.joined(hidden, features)
