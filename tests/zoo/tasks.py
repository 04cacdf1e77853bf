"""What is trained: data, network and loss of each task, and the half of the zoo that it belongs to."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import nets
import numpy as np
import synthetic
import torch
from flatline.models import build
from synthetic import Batch
from torch import nn


@dataclass(frozen=True)
class Options:
    """How a training of a task may differ from the next; a task has its own defaults."""

    n_classes: int = 12
    width: int = 24
    frames: int = 24
    mels: int = 16
    labels: float = 1.8
    noise: float = 0.3
    scale: float = 1.0
    offset: float = 0.0
    padded: bool = False
    early: bool = False
    order_only: bool = False
    residual: bool = False
    imbalance: float = 1.0
    label_noise: float = 0.0
    absent_class: bool = False
    n_train: int = 512
    n_held_out: int = 160
    head: str = "mean"
    activation: str = "relu"
    nonlinearity: str = "tanh"
    head_options: dict[str, Any] = field(default_factory=dict)
    prior_bias: bool = True
    keeps: bool = True
    frozen: str = ""
    dropout: float = 0.0
    layer_norm: bool = False
    iterations: int = 240
    batch: int = 16
    accumulate: int = 1
    optimizer: str = "adam"
    learning_rate: float = 3e-3
    weight_decay: float = 0.0
    schedule: str = "constant"
    clip: float | None = None
    n_channels: int = 6


@dataclass(frozen=True)
class Task:
    """One task on one architecture.

    loss : what the recorder is told, when the head gives logits
    """

    name: str
    architecture: str
    half: str
    loss: str
    make: Callable[..., Batch]
    network: Callable[[Options], nn.Module]
    defaults: Options

    def options(self, **changes: Any) -> Options:
        """The task's own, with changes."""
        return replace(self.defaults, **changes)

    def data(self, options: Options, seed: int) -> tuple[Batch, Batch]:
        """Clips to train on and clips to evaluate on; label noise is in the first alone."""
        rng = np.random.default_rng([seed, 7])
        train = self.make(rng, options.n_train, options.n_classes, options)
        held_out = self.make(rng, options.n_held_out, options.n_classes, options)
        train = _noisy(train, rng, options)
        return (_without_first(train) if options.absent_class else train), held_out

    def model(self, options: Options, seed: int, train: Batch) -> nn.Module:
        """The network, its output bias at the class prior where the options say so."""
        torch.manual_seed(seed)
        model = self.network(options)
        if options.frozen:
            part(model, options.frozen).requires_grad_(False)
        if options.prior_bias and train.target.ndim == 2:
            share = train.target.mean(dim=0)
            if hasattr(model, "head") and hasattr(model.head, "set_prior_bias"):
                model.head.set_prior_bias(share)
            else:
                part(model, "head").bias.data.copy_(torch.logit(share.clamp(1e-3, 0.99)))
        return model


def parts(model: nn.Module) -> dict[str, str]:
    """Path by part (encoder, rnn, hidden, act, head, attention, weights) of those that the network has."""
    paths = {path for path, _ in model.named_modules()}
    return {part: path for part, path in PARTS[type(model).__name__].items() if path in paths}


def part(model: nn.Module, name: str) -> nn.Module:
    """A part of the network by its name."""
    return model.get_submodule(parts(model)[name])


TOP = {"attention": "localisation", "weights": "weights", "hidden": "hidden", "act": "act", "head": "head"}

PARTS = {
    "CGRNN": {
        **{"encoder": "blocks.0.conv", "features": "conv", "rnn": "gru", "head": "head.classification"},
        "attention": "head.localisation",
    },
    "SimpleCGRNN": {
        **{"encoder": "conv", "features": "pool", "rnn": "gru", "hidden": "linear", "head": "head.classification"},
        "attention": "head.localisation",
    },
    "TextClassifier": {"encoder": "embedding", "features": "embedding", "rnn": "lstm", **TOP},
    "TopicTagger": {"encoder": "embedding", "features": "embedding", "rnn": "lstm", **TOP, "head": "classification"},
    "SequenceClassifier": {"encoder": "inputs", "features": "inputs", "rnn": "rnn", **TOP},
    "ConvImage": {"encoder": "conv1", "features": "conv2", **TOP},
    "ConvWave": {"encoder": "conv1", "features": "conv2", **TOP},
}
"""Path of each part by network."""


def _noisy(batch: Batch, rng: np.random.Generator, options: Options) -> Batch:
    """A share of the clips have the labels of other clips."""
    if not options.label_noise:
        return batch
    target, wrong = batch.target.clone(), torch.from_numpy(rng.random(len(batch)) < options.label_noise)
    target[wrong] = target[wrong][torch.randperm(int(wrong.sum()), generator=torch.Generator().manual_seed(1))]
    return replace(batch, target=target)


def _without_first(batch: Batch) -> Batch:
    """No clip has the first class."""
    target = batch.target.clone()
    target[:, 0] = 0
    return replace(batch, target=target)


def _cgrnn(o: Options) -> nn.Module:
    options = {"channels": o.n_channels, "n_hidden": o.width}
    return build("cgrnn", o.head, n_classes=o.n_classes, n_mels=o.mels, options=options, head_options=o.head_options)


def _simple(o: Options) -> nn.Module:
    options = {
        **{"kernel": 7, "pool": 2, "n_hidden": o.width // 2, "n_layers": 3, "n_features": 2 * o.width},
        "frame_dropout": o.dropout,
    }
    return build(
        "simple-cgrnn", o.head, n_classes=o.n_classes, n_mels=o.mels, options=options, head_options=o.head_options
    )


def _sequence(kind: str, n_inputs: Callable[[Options], int]) -> Callable[[Options], nn.Module]:
    return lambda o: nets.SequenceClassifier(kind, n_inputs(o), o)


TASKS = {
    task.name: task
    for task in (
        Task(
            "bands",
            "cgrnn",
            "fit",
            "bce-with-logits",
            synthetic.bands,
            _cgrnn,
            Options(frames=20, iterations=200, learning_rate=5e-3),
        ),
        Task(
            *("words", "lstm", "fit", "cross-entropy", synthetic.words),
            lambda o: nets.TextClassifier(synthetic.n_tokens(o.n_classes), o),
            Options(n_classes=16, width=32),
        ),
        Task(
            *("pulses", "rnn-tanh", "fit", "cross-entropy", synthetic.pulses, _sequence("rnn", lambda o: 4)),
            Options(n_classes=6, width=32, frames=30, noise=0.02, learning_rate=1e-3),
        ),
        Task(
            *("shapes", "conv-2d", "fit", "cross-entropy", synthetic.shapes),
            lambda o: nets.ConvImage(o),
            Options(n_classes=10, width=24, frames=12),
        ),
        Task(
            *("chirps", "simple-cgrnn", "report", "bce-with-logits", synthetic.chirps, _simple),
            Options(n_classes=14, frames=24, mels=32, iterations=200, learning_rate=6e-3),
        ),
        Task(
            *(
                "recall",
                "gru",
                "report",
                "cross-entropy",
                synthetic.recall,
                _sequence("gru", lambda o: o.n_classes + 1),
            ),
            Options(n_classes=8, width=24, frames=44, noise=0.1),
        ),
        Task(
            *("topics", "bilstm", "report", "bce-with-logits", synthetic.topics),
            lambda o: nets.TopicTagger(synthetic.n_tokens(o.n_classes), o),
            Options(n_classes=15, frames=26, width=24, dropout=0.2, learning_rate=6e-3),
        ),
        Task(
            *("waves", "conv-1d", "report", "cross-entropy", synthetic.waves),
            lambda o: nets.ConvWave(o),
            Options(n_classes=8, width=16, frames=96, noise=0.5, activation="tanh"),
        ),
    )
}
"""By name; a half has its own tasks and its own architectures."""
