"""Networks of the zoo that this project's `models` does not have; `o` is a task's Options."""

import torch
from torch import Tensor, nn

ACTIVATIONS = {"relu": nn.ReLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid}


@torch.no_grad()
def keep(rnn: nn.RNNBase, width: int) -> None:
    """Start so that the first frames reach the last: orthogonal, or with gates that keep the past."""
    if isinstance(rnn, nn.RNN):
        nn.init.orthogonal_(rnn.weight_hh_l0)
    else:  # of LSTM and GRU, the second block of rows is the gate that keeps
        rnn.bias_hh_l0[width : 2 * width] = 3


class TimeSoftmax(nn.Module):
    """Attention weights (clip, frame, class) that sum to one over real frames."""

    def forward(self, scores: Tensor, mask: Tensor | None) -> Tensor:
        if mask is not None:
            scores = scores.masked_fill(~mask.unsqueeze(-1), -1e4)
        return scores.softmax(dim=1)


class TextClassifier(nn.Module):
    """Embedding -> LSTM -> last state, or its states by attention -> a layer -> one score a class."""

    output_layer = "head"

    def __init__(self, n_tokens: int, o) -> None:
        super().__init__()
        self.embedding = nn.Embedding(n_tokens, o.width // 2)
        self.lstm = nn.LSTM(o.width // 2, o.width, batch_first=True)
        if o.keeps:
            keep(self.lstm, o.width)
        self.norm = nn.LayerNorm(o.width) if o.layer_norm else nn.Identity()
        if o.residual:
            self.round = nn.Linear(o.width // 2, o.width)
        if o.head == "attention":
            self.localisation = nn.Linear(o.width, 1)
            self.weights = TimeSoftmax()
            self.attention = {"weights": "weights"}
        self.hidden = nn.Linear(o.width, o.width)
        self.act = ACTIVATIONS[o.activation]()
        self.dropout = nn.Dropout(o.dropout)
        self.head = nn.Linear(o.width, o.n_classes)

    def forward(self, tokens: Tensor, mask: Tensor | None = None) -> Tensor:
        words = self.embedding(tokens)
        states = self.recur(words)  # (clip, token, width)
        if hasattr(self, "round"):
            states = states + self.round(words)
        if hasattr(self, "weights"):
            state = (self.weights(self.localisation(states), mask) * states).sum(dim=1)
        else:
            state = states[:, -1]
        return self.head(self.dropout(self.act(self.hidden(self.norm(state)))))

    def recur(self, words: Tensor) -> Tensor:
        """What the LSTM makes of the words."""
        return self.lstm(words)[0]


class SequenceClassifier(nn.Module):
    """A linear layer -> RNN (tanh), GRU or LSTM -> last state -> one score a class.

    kind : "rnn", "gru" or "lstm"
    """

    def __init__(self, kind: str, n_inputs: int, o) -> None:
        super().__init__()
        width = o.width
        more = {"nonlinearity": o.nonlinearity} if kind == "rnn" else {}
        self.inputs = nn.Linear(n_inputs, width)
        self.rnn = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}[kind](width, width, batch_first=True, **more)
        self.norm = nn.LayerNorm(width) if o.layer_norm else nn.Identity()
        self.head = nn.Linear(width, o.n_classes)
        if o.keeps:
            keep(self.rnn, width)

    def forward(self, clips: Tensor, mask: Tensor | None = None) -> Tensor:
        return self.head(self.norm(self.rnn(self.inputs(clips))[0][:, -1]))


class TopicTagger(nn.Module):
    """Embedding -> two bidirectional LSTM layers with dropout -> attention over tokens by class -> logits."""

    attention = {"weights": "weights"}  # noqa: RUF012
    output_layer = "classification"

    def __init__(self, n_tokens: int, o) -> None:
        super().__init__()
        width = o.width
        self.embedding = nn.Embedding(n_tokens, width)
        self.lstm = nn.LSTM(width, width, num_layers=2, bidirectional=True, dropout=o.dropout, batch_first=True)
        self.hidden = nn.Linear(2 * width, width)
        self.act = ACTIVATIONS[o.activation]()
        self.dropout = nn.Dropout(o.dropout)
        self.localisation = nn.Linear(width, o.n_classes)
        self.weights = TimeSoftmax()
        self.classification = nn.Linear(width, o.n_classes)

    def forward(self, tokens: Tensor, mask: Tensor | None = None) -> Tensor:
        states = self.dropout(self.act(self.hidden(self.lstm(self.embedding(tokens))[0])))
        weights = self.weights(self.localisation(states), mask)
        return (weights * self.classification(states)).sum(dim=1)


class ConvImage(nn.Module):
    """The control without an RNN, in two dimensions: convolutions and ReLUs, the largest over places, two layers."""

    def __init__(self, o) -> None:
        super().__init__()
        width = o.width
        self.conv1 = nn.Conv2d(1, width // 2, 5, padding=2)
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv2d(width // 2, width, 3, padding=1)
        self.relu2 = nn.ReLU()
        self.pool = nn.AdaptiveMaxPool2d(1)
        self.hidden = nn.Linear(width, width)
        self.act = ACTIVATIONS[o.activation]()
        self.dropout = nn.Dropout(o.dropout)
        self.head = nn.Linear(width, o.n_classes)

    def forward(self, clips: Tensor, mask: Tensor | None = None) -> Tensor:
        maps = self.relu2(self.conv2(self.relu1(self.conv1(clips.unsqueeze(1)))))
        return self.head(self.dropout(self.act(self.hidden(self.pool(maps).flatten(1)))))


class ConvWave(nn.Module):
    """The control without an RNN, in one dimension: convolutions with batch norm, a bounded layer before the last."""

    def __init__(self, o) -> None:
        super().__init__()
        width = o.width
        self.conv1 = nn.Conv1d(1, width, 9, stride=2, padding=4)
        self.norm1 = nn.BatchNorm1d(width)
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv1d(width, width, 9, stride=2, padding=4)
        self.norm2 = nn.BatchNorm1d(width)
        self.relu2 = nn.ReLU()
        self.pool = nn.AdaptiveMaxPool1d(1)
        self.hidden = nn.Linear(width, width)
        self.act = ACTIVATIONS[o.activation]()
        self.dropout = nn.Dropout(o.dropout)
        self.head = nn.Linear(width, o.n_classes)

    def forward(self, clips: Tensor, mask: Tensor | None = None) -> Tensor:
        maps = self.relu1(self.norm1(self.conv1(clips.unsqueeze(1))))
        maps = self.relu2(self.norm2(self.conv2(maps)))
        return self.head(self.dropout(self.act(self.hidden(self.pool(maps).flatten(1)))))
