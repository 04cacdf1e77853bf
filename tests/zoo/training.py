"""One plain training loop with the recorder in it, and the places where a fault can be switched on."""

import math
import warnings
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from flatline import Recorder, ablate
from flatline.diagnostics.parts import recurrent_modules
from synthetic import Batch
from tasks import Options, Task
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import Optimizer

LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "bce-with-logits": functional.binary_cross_entropy_with_logits,
    "bce": lambda given, target: functional.binary_cross_entropy(given.clamp(0, 1), target),
    "cross-entropy": functional.cross_entropy,
}

EVERY = 25
"""Iterations between evaluations."""


@dataclass
class Training:
    """A training as a fault finds it; a fault changes what it likes.

    loss, output : what the recorder is told: kind of the loss, and the name by which it is given the scores
    on_inputs, on_output : in training and evaluation
    on_batch, on_loss, after_backward : in training alone
    """

    task: Task
    options: Options
    model: nn.Module
    optimizer: Optimizer
    train: Batch
    held_out: Batch
    criterion: Callable[[Tensor, Tensor], Tensor]
    loss: str
    output: str
    learning_rate: float
    generator: torch.Generator
    iteration: int = 0
    on_inputs: list[Callable[[Tensor], Tensor]] = field(default_factory=list)
    on_output: list[Callable[[Tensor], Tensor]] = field(default_factory=list)
    on_batch: list[Callable[[Batch], Batch]] = field(default_factory=list)
    on_loss: list[Callable[[Tensor], Tensor]] = field(default_factory=list)
    after_backward: list[Callable[[], Any]] = field(default_factory=list)

    def scores(self, batch: Batch) -> Tensor:
        """What the loop takes for the model's scores (clip, class)."""
        scores = self.model(_through(self.on_inputs, batch.inputs), batch.mask)
        return _through(self.on_output, scores)

    def drawn(self) -> Batch:
        """The next batch."""
        chosen = torch.randint(len(self.train), (self.options.batch,), generator=self.generator)
        return _through(self.on_batch, self.train[chosen])


def prepared(task: Task, options: Options, seed: int) -> Training:
    """A training that has not begun."""
    train, held_out = task.data(options, seed)
    model = task.model(options, seed, train)
    gives_probabilities = getattr(model, "output", "logits") == "probabilities"
    loss = "bce" if gives_probabilities else task.loss
    return Training(
        *(task, options, model, optimizer_of(model.parameters(), options), train, held_out, LOSSES[loss], loss),
        *("probabilities" if gives_probabilities else "logits", options.learning_rate),
        torch.Generator().manual_seed(seed),
    )


def optimizer_of(parameters: Any, options: Options) -> Optimizer:
    """The optimiser that the options name."""
    rate, decay = options.learning_rate, options.weight_decay
    if options.optimizer.startswith("sgd"):
        momentum = 0.9 if options.optimizer == "sgd-momentum" else 0.0
        return torch.optim.SGD(parameters, lr=rate, momentum=momentum, weight_decay=decay)
    kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW, "rmsprop": torch.optim.RMSprop}[options.optimizer]
    return kind(parameters, lr=rate, weight_decay=decay)


def run(training: Training, log: Path, fault: Callable[[Training], None] | None, at: int, beside: Any = None) -> float:
    """Train and record; the last evaluation's lwlrap.

    fault : called before iteration `at`; from the start, before the recorder is put on
    beside : a peer of the recorder, as a context that gives a function of the loss
    """
    if fault is not None and at == 0:
        fault(training)
    optimizer, kind = training.optimizer, training.loss
    warnings.filterwarnings("ignore", message=".*(Recorder|Full backward hook).*")
    score = math.nan
    with (
        Recorder(training.model, optimizer, log=log, loss=kind, level="deep") as recorder,
        (beside or nullcontext)() as peer,
    ):
        for iteration in range(training.options.iterations):
            training.iteration = iteration
            if fault is not None and iteration == at > 0:
                fault(training)
            step(training, recorder, peer)
            is_last = iteration == training.options.iterations - 1
            if iteration % EVERY == EVERY - 1 or is_last:
                score = evaluate(training, recorder, is_last)
    return score


def step(training: Training, recorder: Recorder, peer: Callable[[float], None] | None) -> None:
    training.model.train()
    for group in training.optimizer.param_groups:
        group["lr"] = training.learning_rate * _factor(training.options, training.iteration)
    training.optimizer.zero_grad()
    for part in range(training.options.accumulate):
        batch = training.drawn()
        scores = training.scores(batch)
        loss = _through(training.on_loss, training.criterion(scores, batch.target))
        if loss.requires_grad:
            (loss / training.options.accumulate).backward()
        unclipped = None
        if part == training.options.accumulate - 1:
            for change in training.after_backward:
                change()
            if training.options.clip is not None:
                unclipped = nn.utils.clip_grad_norm_(training.model.parameters(), training.options.clip)
            training.optimizer.step()
        given = {training.output: scores, "target": batch.target, "mask": batch.mask}
        recorder.step(loss=loss, unclipped_norm=unclipped, **given)
    if peer is not None:
        peer(loss.item())


def evaluate(training: Training, recorder: Recorder, is_last: bool) -> float:
    """Score the held-out clips; at the end also what the RNNs carry of the score, as `train` does."""
    training.model.eval()
    with torch.no_grad():
        scores = training.scores(training.held_out)
        loss = training.criterion(scores, training.held_out.target)
    target = training.held_out.target
    shares = None
    if is_last and recurrent_modules(training.model) and bool(torch.isfinite(scores).all()):
        shares = ablate(
            *(training.model, [training.held_out]),
            forward=lambda model, batch: (training.scores(batch), batch.target),
            what=["rnn"],
            resamples=200,
        )
    row = recorder.evaluation(**{training.output: scores}, target=target, loss=loss, ablations=shares)
    return float(row["lwlrap"])


def _factor(options: Options, iteration: int) -> float:
    """What the schedule makes of the learning rate."""
    if options.schedule == "warm-up":
        return min(1.0, (iteration + 1) / 60)
    if options.schedule == "cosine":
        return 0.5 * (1 + math.cos(math.pi * iteration / options.iterations))
    return 1.0


def _through(changes: list[Callable[[Any], Any]], given: Any) -> Any:
    for change in changes:
        given = change(given)
    return given
