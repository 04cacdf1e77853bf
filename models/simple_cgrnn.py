from torch import Tensor, nn

from .around_rnn import AroundRNN
from .heads import Head
from .options import OptionError
from .tagger import Tagger


class SimpleCGRNN(Tagger):
    """The seed's simple convolutional recurrent network (after 1702.07787).

    Each frame's mel bins go through one convolution with one filter, a max pool and a ReLU; a three-layer bidirectional
    GRU, a linear layer with ReLU, dropout of whole frames, a head. All frames in one call, where the seed looped over
    them in Python. 107,811 parameters at 256 mels, 80 classes and the seed's input attention.

    kernel, pool : mel bins of the filter and of the max pool
    n_hidden : of a GRU's direction
    n_features : of the linear layer
    frame_dropout : share of frames dropped whole. The seed put `Dropout2d` on (clip, frame, feature), which does that;
        it costs a third of the score. 0 turns it off. The seed's rate is not known; .2 is the paper's dropout
    layer_norm : LayerNorm on what enters and what leaves the GRU
    highway : a residual round the GRU, by which the linear layer sees the convolution's features too
    """

    def __init__(
        self,
        head: type[Head],
        n_classes: int,
        n_mels: int,
        *,
        kernel: int = 50,
        pool: int = 10,
        n_hidden: int = 32,
        n_layers: int = 3,
        n_features: int = 128,
        frame_dropout: float = 0.2,
        layer_norm: bool = False,
        highway: bool = False,
        **head_options,
    ) -> None:
        super().__init__()
        n_pooled = (n_mels - kernel + 1) // pool
        if n_pooled < 1:
            raise OptionError(
                f"n_mels is {n_mels}, too few for simple-cgrnn's kernel {kernel} and pool {pool}; make these smaller"
            )
        self.conv = nn.Conv1d(1, 1, kernel)
        self.pool = nn.MaxPool1d(pool)
        self.around = AroundRNN(n_pooled, 2 * n_hidden, layer_norm=layer_norm, highway=highway)
        self.gru = nn.GRU(n_pooled, n_hidden, n_layers, batch_first=True, bidirectional=True)
        self.linear = nn.Linear(2 * n_hidden, n_features)
        self.dropout = nn.Dropout1d(frame_dropout)
        self.head = head(n_features, n_classes, n_mels, **head_options)

    def encode(self, clips: Tensor) -> Tensor:
        """(clip, frame, mel) -> (clip, frame, pooled mel)."""
        frames = clips.reshape(-1, 1, clips.shape[-1])  # (clip * frame, 1, mel)
        pooled = self.pool(self.conv(frames)).relu()
        return pooled.reshape(*clips.shape[:2], -1)

    def recur(self, features: Tensor) -> Tensor:
        """GRU, linear layer with ReLU, dropout of frames."""
        hidden = self.around.joined(self.around.normed(self.gru, features), features)
        return self.dropout(self.linear(hidden).relu())
