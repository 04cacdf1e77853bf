from itertools import pairwise

from torch import Tensor, nn

from .heads import Head
from .tagger import Tagger


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut (He et al. 2015); the first halves the mel bins where n_out differs."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        stride = (1, 1 if n_in == n_out else 2)
        self.residual = nn.Sequential(
            nn.Conv2d(n_in, n_out, 3, stride, padding=1, bias=False),
            nn.BatchNorm2d(n_out),
            nn.ReLU(),
            nn.Conv2d(n_out, n_out, 3, padding=1, bias=False),
            nn.BatchNorm2d(n_out),
        )
        self.shortcut = nn.Identity() if n_in == n_out else nn.Conv2d(n_in, n_out, 1, stride, bias=False)

    def forward(self, maps: Tensor) -> Tensor:
        """(clip, channel, frame, mel) -> (clip, n_out, frame, mel or half)."""
        return (self.residual(maps) + self.shortcut(maps)).relu()


class ResNet(Tagger):
    """A small residual network on log-mel, the non-recurrent baseline. Frames are kept, mel bins are pooled.

    channels : of the first stage; doubled at each of the next two
    """

    def __init__(self, head: type[Head], n_classes: int, n_mels: int, *, channels: int = 16, **head_options) -> None:
        super().__init__()
        stem = nn.Sequential(nn.Conv2d(1, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels), nn.ReLU())
        widths = [channels, channels, 2 * channels, 4 * channels]
        stages = [ResidualBlock(n_in, n_out) for n_in, n_out in pairwise(widths)]
        self.blocks = nn.Sequential(stem, *stages)
        self.head = head(widths[-1], n_classes, n_mels, **head_options)

    def encode(self, clips: Tensor) -> Tensor:
        """(clip, frame, mel) -> (clip, frame, 4 * channels)."""
        return self.blocks(clips.unsqueeze(1)).mean(dim=-1).transpose(1, 2)
