"""Sound nets of many kinds, of which the check must say nothing above info."""

import functools
import itertools
import math

import pytest
import torch
from flatline.diagnostics.check import check
from torch import nn
from torch.nn import functional
from torch.nn.utils.rnn import pack_padded_sequence

CLIPS, FRAMES, BINS = 16, 12, 6
SEEDS = range(4)


class Recurrent(nn.Module):
    """An RNN over frames, the last or mean state classified."""

    def __init__(self, kind=nn.GRU, n_classes=4, n_hidden=8, mean=False, **options):
        super().__init__()
        self.rnn = kind(BINS, n_hidden, batch_first=True, **options)
        width = options.get("proj_size") or n_hidden
        self.linear = nn.Linear(width * (2 if options.get("bidirectional") else 1), n_classes)
        self.mean = mean

    def forward(self, clips, mask=None):
        frames = self.rnn(clips)[0]
        if not isinstance(frames, torch.Tensor):
            frames = nn.utils.rnn.pad_packed_sequence(frames, batch_first=True)[0]
        if mask is not None:
            frames = frames * mask[..., None]
        return self.linear(frames.mean(dim=1) if self.mean else frames[:, -1])


class Residual(nn.Module):
    """A small ResNet with BatchNorm, the last norm of each block started at zero if asked."""

    def __init__(self, zero_init=False):
        super().__init__()
        self.stem = nn.Conv2d(1, 8, 3, padding=1)
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.BatchNorm2d(8), nn.ReLU(inplace=True), nn.Conv2d(8, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8)
            )
            for _ in range(3)
        )
        self.linear = nn.Linear(8, 4)
        if zero_init:
            for block in self.blocks:
                nn.init.zeros_(block[-1].weight)

    def forward(self, clips):
        maps = self.stem(clips.unsqueeze(1))
        for block in self.blocks:
            maps = maps + block(maps)
        return self.linear(maps.mean(dim=(2, 3)))


class Transformer(nn.Module):
    """Two encoder layers over tokens, the mean classified."""

    def __init__(self, n_classes=4, norm_first=False):
        super().__init__()
        layer = nn.TransformerEncoderLayer(16, 4, 32, batch_first=True, norm_first=norm_first)
        self.embedding, self.encoder = nn.Embedding(50, 16), nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.linear = nn.Linear(16, n_classes)

    def forward(self, tokens):
        return self.linear(self.encoder(self.embedding(tokens)).mean(dim=1))


class LanguageModel(nn.Module):
    """Embedding, LSTM and an output layer that shares the embedding's weights: (clip, class, frame)."""

    def __init__(self):
        super().__init__()
        self.embedding, self.lstm, self.linear = (
            nn.Embedding(30, 16),
            nn.LSTM(16, 16, batch_first=True),
            nn.Linear(16, 30),
        )
        nn.init.normal_(self.embedding.weight, std=0.1)
        self.linear.weight = self.embedding.weight

    def forward(self, tokens):
        return self.linear(self.lstm(self.embedding(tokens))[0]).transpose(1, 2)


class Cells(nn.Module):
    """A loop of cells."""

    def __init__(self):
        super().__init__()
        self.cell, self.linear = nn.GRUCell(BINS, 8), nn.Linear(8, 4)

    def forward(self, clips):
        state = clips.new_zeros(len(clips), 8)
        for frame in clips.unbind(dim=1):
            state = self.cell(frame, state)
        return self.linear(state)


class Gated(nn.Module):
    """Sigmoid classification, weighted by a softmax over time: probabilities."""

    def __init__(self):
        super().__init__()
        self.gru, self.scores, self.looks = nn.GRU(BINS, 8, batch_first=True), nn.Linear(8, 4), nn.Linear(8, 4)

    def forward(self, clips):
        frames = self.gru(clips)[0]
        return (self.scores(frames).sigmoid() * self.looks(frames).softmax(dim=1)).sum(dim=1)


class Attending(nn.Module):
    """Self-attention that gives its weights, with masked scores of minus infinity, and a dict for an output."""

    def __init__(self):
        super().__init__()
        self.project, self.attention, self.linear = (
            nn.Linear(BINS, 8),
            nn.MultiheadAttention(8, 2, batch_first=True),
            nn.Linear(8, 4),
        )

    def forward(self, clips):
        frames = self.project(clips)
        barred = torch.full((FRAMES, FRAMES), -math.inf).triu(1)
        mixed, weights = self.attention(frames, frames, frames, attn_mask=barred)
        return {"logits": self.linear(mixed.mean(dim=1)), "weights": weights}


class TwoInputs(nn.Module):
    """Frames and a number a clip."""

    def __init__(self):
        super().__init__()
        self.gru, self.linear = nn.GRU(BINS, 8, batch_first=True), nn.Linear(9, 4)

    def forward(self, clips, age):
        return self.linear(torch.cat([self.gru(clips)[1][-1], age], dim=1))


def frames():
    return torch.randn(CLIPS, FRAMES, BINS)


def rows():
    return torch.randn(CLIPS, BINS)


def tokens(n=50):
    return torch.randint(0, n, (CLIPS, FRAMES))


def labels(n_classes=4, share=0.3):
    target = (torch.rand(CLIPS, n_classes) < share).float()
    target[0], target[1, 0] = 0, 1
    return target


def indices(n_classes=4):
    return torch.arange(CLIPS) % n_classes


def with_bias(model, layer, prior):
    with torch.no_grad():
        layer.bias.fill_(math.log(prior / (1 - prior)))
    return model


def prior_biased():
    model = Recurrent(n_classes=80)
    return with_bias(model, model.linear, 0.015), "bce-with-logits", (frames(), labels(80, 0.015))


def frozen_embedding():
    model = Transformer()
    model.embedding.weight.requires_grad_(False)
    return model, "cross-entropy", (tokens(), indices())


def zero_head():
    model = Recurrent()
    nn.init.zeros_(model.linear.weight)
    nn.init.zeros_(model.linear.bias)
    return model, "bce-with-logits", (frames(), labels())


def positive_scores():
    """Logits that lie in [0, 1] by chance: a small net with one class and a bias above 0."""
    model = Recurrent(n_classes=1, n_hidden=2)
    with torch.no_grad():
        model.linear.weight.mul_(0.05)
        model.linear.bias.fill_(0.4)
    return model, "bce-with-logits", (frames(), labels(1, 0.5))


def packed():
    lengths = torch.arange(CLIPS) % 5 + 3
    return pack_padded_sequence(frames(), lengths, batch_first=True, enforce_sorted=False)


def mlp(*widths, act=nn.ReLU):
    layers = []
    for n_in, n_out in itertools.pairwise(widths):
        layers += [nn.Linear(n_in, n_out), act()]
    return nn.Sequential(*layers[:-1])


def conv():
    return nn.Sequential(
        nn.Conv1d(BINS, 8, 3, padding=1), nn.ReLU(), nn.MaxPool1d(2), nn.Conv1d(8, 8, 3), nn.ReLU(),
        nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(8, 4),
    )  # fmt: skip


def normed():
    """BatchNorm behind layers that keep their bias, whose gradient is rounding or exactly 0."""
    return nn.Sequential(nn.Flatten(), nn.Linear(FRAMES * BINS, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 4))


def silent_padding():
    clips = frames()
    clips[:5] = -1  # silence
    return clips


HEALTHY = {
    "lstm": lambda: (Recurrent(nn.LSTM), "bce-with-logits", (frames(), labels())),
    "gru": lambda: (Recurrent(), "bce-with-logits", (frames(), labels())),
    "rnn": lambda: (Recurrent(nn.RNN), nn.CrossEntropyLoss(), (frames(), indices())),
    "rnn with relu": lambda: (Recurrent(nn.RNN, nonlinearity="relu"), "cross-entropy", (frames(), indices())),
    "bidirectional lstm, two layers, dropout": lambda: (
        Recurrent(nn.LSTM, mean=True, bidirectional=True, num_layers=2, dropout=0.4), "bce-with-logits",
        (frames(), labels()),
    ),
    "projected lstm": lambda: (Recurrent(nn.LSTM, proj_size=3), "bce-with-logits", (frames(), labels())),
    "loop of cells": lambda: (Cells(), "bce-with-logits", (frames(), labels())),
    "packed sequence": lambda: (Recurrent(mean=True), "bce-with-logits", (packed(), labels())),
    "mask": lambda: (Recurrent(), "bce-with-logits", (frames(), labels(), torch.ones(CLIPS, FRAMES).bool())),
    "dict of inputs": lambda: (
        TwoInputs(), "bce-with-logits",
        {"inputs": {"clips": frames(), "age": torch.rand(CLIPS, 1)}, "target": labels()},
    ),
    "tuple of inputs": lambda: (TwoInputs(), "bce-with-logits", ((frames(), torch.rand(CLIPS, 1)), labels())),
    "convolution with relu": lambda: (conv(), "cross-entropy", (frames().transpose(1, 2), indices())),
    "resnet with batch norm": lambda: (Residual(), nn.CrossEntropyLoss(), (frames(), indices())),
    "resnet with zero-initialised blocks": lambda: (Residual(True), nn.CrossEntropyLoss(), (frames(), indices())),
    "transformer": lambda: (Transformer(), "cross-entropy", (tokens(), indices())),
    "transformer, norm first": lambda: (Transformer(norm_first=True), functional.cross_entropy, (tokens(), indices())),
    "tied weights": lambda: (LanguageModel(), "cross-entropy", (tokens(30), tokens(30))),
    "unused rows of an embedding": lambda: (Transformer(), "cross-entropy", (tokens(5), indices())),
    "frozen embedding": frozen_embedding,
    "tiny net": lambda: (Recurrent(n_hidden=1, n_classes=1), "bce-with-logits", (frames(), labels(1))),
    "linear layer alone": lambda: (nn.Linear(BINS, 1), nn.BCEWithLogitsLoss(), (rows(), labels(1, 0.5))),
    "one class": lambda: (Recurrent(n_classes=1), "bce-with-logits", (frames(), labels(1, 0.5))),
    "one class, no positive clip in the batch": lambda: (
        Recurrent(n_classes=1), "bce-with-logits", (frames(), torch.zeros(CLIPS, 1)),
    ),
    "one class, scores without a class dimension": lambda: (
        nn.Sequential(nn.Linear(BINS, 1), nn.Flatten(0)), "bce-with-logits", (rows(), labels(1)[:, 0]),
    ),
    "one class, logits in [0, 1] by chance": positive_scores,
    "two classes": lambda: (Recurrent(n_classes=2), "cross-entropy", (frames(), indices(2))),
    "eighty classes with prior bias": prior_biased,
    "eighty classes without": lambda: (Recurrent(n_classes=80), "bce-with-logits", (frames(), labels(80, 0.015))),
    "head that starts at zero": zero_head,
    "probabilities under a loss on them": lambda: (Gated(), "bce", (frames(), labels())),
    "probabilities under BCELoss": lambda: (Gated(), nn.BCELoss(), (frames(), labels())),
    "log-softmax under NLLLoss": lambda: (
        nn.Sequential(nn.Linear(BINS, 4), nn.LogSoftmax(1)), nn.NLLLoss(), (rows(), indices()),
    ),
    "log-softmax under cross-entropy": lambda: (
        nn.Sequential(nn.Linear(BINS, 4), nn.LogSoftmax(1)), "cross-entropy", (rows(), indices()),
    ),
    "masked attention, dict of outputs": lambda: (Attending(), "bce-with-logits", (frames(), labels())),
    "deep relu net": lambda: (mlp(BINS, 32, 32, 32, 32, 4), "cross-entropy", (rows(), indices())),
    "tanh net": lambda: (mlp(BINS, 32, 32, 4, act=nn.Tanh), "cross-entropy", (rows(), indices())),
    "biases before batch norm": lambda: (normed(), "bce-with-logits", (frames(), labels())),
    "label smoothing and class weights": lambda: (
        Recurrent(), nn.CrossEntropyLoss(torch.tensor([1.0, 5, 1, 1]), label_smoothing=0.1), (frames(), indices()),
    ),
    "weighted positives": lambda: (
        Recurrent(), nn.BCEWithLogitsLoss(pos_weight=torch.full((4,), 20.0)), (frames(), labels()),
    ),
    "sum over the batch": lambda: (Recurrent(), nn.BCEWithLogitsLoss(reduction="sum"), (frames(), labels())),
    "a partial function": lambda: (
        Recurrent(), functools.partial(functional.cross_entropy, ignore_index=0), (frames(), indices()),
    ),
    "soft labels": lambda: (Recurrent(), "bce-with-logits", (frames(), labels() * 0.9 + 0.05)),
    "mixed class shares": lambda: (Recurrent(), "cross-entropy", (frames(), torch.rand(CLIPS, 4).softmax(1))),
    "regression": lambda: (Recurrent(n_classes=1), nn.MSELoss(), (frames(), torch.randn(CLIPS, 1))),
    "an own loss": lambda: (Recurrent(), lambda output, target: ((output - target) ** 2).mean(), (frames(), labels())),
    "no loss": lambda: (Recurrent(), None, (frames(), None)),
    "some silent clips": lambda: (Recurrent(), "bce-with-logits", (silent_padding(), labels())),
    "one clip": lambda: (Recurrent(), "bce-with-logits", (frames()[:1], labels()[1:2])),
    "autoencoder": lambda: (mlp(BINS, 3, BINS), nn.MSELoss(), (x := rows(), x)),
    "spectral norm": lambda: (
        nn.Sequential(nn.utils.parametrizations.spectral_norm(nn.Linear(BINS, 8)), nn.ReLU(), nn.Linear(8, 4)),
        "bce-with-logits", (rows(), labels()),
    ),
    "bfloat16": lambda: (mlp(BINS, 16, 4).bfloat16(), "bce-with-logits", (rows().bfloat16(), labels())),
}  # fmt: skip

OPTIMIZERS = {
    "adam": lambda p: torch.optim.Adam(p, 1e-3),
    "adam, high": lambda p: torch.optim.Adam(p, 1e-2),
    "adamw": lambda p: torch.optim.AdamW(p, 3e-4, weight_decay=0.1),
    "sgd": lambda p: torch.optim.SGD(p, 0.1, momentum=0.9),
    "rmsprop": lambda p: torch.optim.RMSprop(p, 1e-3),
}


def told(checked):
    return [
        f"{one.severity} {one.kind} {one.where}: {one.explanation}"
        for one in checked.findings
        if one.severity != "info"
    ]


@pytest.mark.parametrize("name", HEALTHY)
def test_a_sound_net_is_told_nothing_above_info(name):
    for seed in SEEDS:
        torch.manual_seed(seed)
        model, loss, batch = HEALTHY[name]()
        trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
        checked = check(model, loss, batch, optimizer=torch.optim.Adam(trained, 1e-3))
        assert told(checked) == [], seed
        assert checked.ok


@pytest.mark.parametrize("name", ["one class, logits in [0, 1] by chance", "resnet with zero-initialised blocks"])
def test_logits_that_are_all_above_0_by_chance_are_told_nothing(name):
    for seed in range(30):
        torch.manual_seed(seed)
        model, loss, batch = HEALTHY[name]()
        with torch.no_grad():
            model.linear.bias.fill_(0.5)
        assert told(check(model, loss, batch)) == [], seed


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("net", ["gru", "resnet with batch norm", "transformer", "eighty classes with prior bias"])
def test_usual_rates_are_told_nothing(name, net):
    torch.manual_seed(0)
    model, loss, batch = HEALTHY[net]()
    assert told(check(model, loss, batch, optimizer=OPTIMIZERS[name](model.parameters()))) == []


def test_a_rate_that_a_warm_up_starts_near_zero_is_told_nothing():
    torch.manual_seed(0)
    model, loss, batch = HEALTHY["gru"]()
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: step / 1000)
    assert told(check(model, loss, batch, optimizer=optimizer)) == []


def test_what_is_frozen_on_purpose_is_named_as_info():
    model, loss, batch = frozen_embedding()
    (found,) = check(model, loss, batch).findings
    assert (found.kind, found.severity, found.where) == ("frozen-parameters", "info", "embedding")


def test_a_bias_that_is_taken_out_again_is_info():
    class Net(Recurrent):
        def forward(self, clips):
            return super().forward(clips) - self.linear.bias

    (found,) = check(Net(), "bce-with-logits", (frames(), labels())).findings
    assert (found.kind, found.severity, found.where) == ("frozen-parameters", "info", "linear.bias")


def test_a_module_that_gives_infinity_on_the_way_to_finite_scores_is_info():
    class Mask(nn.Module):
        def forward(self, scores):
            return scores.masked_fill(torch.arange(scores.shape[1])[:, None] > 8, -math.inf)

    class Net(Gated):
        def __init__(self):
            super().__init__()
            self.mask = Mask()

        def forward(self, clips):
            frames = self.gru(clips)[0]
            return (self.scores(frames) * self.mask(self.looks(frames)).softmax(dim=1)).sum(dim=1)

    (found,) = check(Net(), "bce-with-logits", (frames(), labels())).findings
    assert (found.kind, found.severity, found.where) == ("non-finite", "info", "mask")


def test_there_are_enough_of_them():
    assert len(HEALTHY) >= 25
