"""One training run: a plain PyTorch loop with the recorder on it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.optim import Adam

from ..models import Tagger
from .checkpoints import save_checkpoint
from .evaluate import scores_of
from .interruption import Interruption
from .log import RunLog, claim
from .losses import criterion
from .network import build_network
from .recipe import Recipe, RecipeError
from .recording import Recorder
from .task import Clips, Task, batch_order


@dataclass(frozen=True)
class Reached:
    """Where a run stands, for a progress display: `evaluation` is the latest, the numbers are the newest row's."""

    iteration: int
    loss: float
    gradient_norm: float
    evaluation: dict[str, Any]


@dataclass(frozen=True)
class Trained:
    """A run that ended: its folder, its status (finished or interrupted) and its last and best evaluation."""

    path: Path
    status: str
    last: dict[str, Any]
    best: dict[str, Any]


Watch = Callable[[Reached], None]


def make_model(recipe: Recipe, task: Task) -> Tagger:
    """The recipe's network, seeded, its output bias at the class prior if the recipe says so.

    Raises RecipeError for a name or option that is not known.
    """
    torch.manual_seed(recipe.seed)
    model = build_network(recipe, len(task.clipset.classes), task.settings.n_mels)
    if recipe.prior_bias:
        model.head.set_prior_bias(torch.from_numpy(task.prior))
    return model


def device_of(recipe: Recipe) -> torch.device:
    """The recipe's device; "auto" is a GPU where there is one.

    Raises RecipeError for a device that PyTorch does not have.
    """
    name = recipe.device if recipe.device != "auto" else "cuda" if torch.cuda.is_available() else "cpu"
    try:
        probe = torch.zeros(1, device=name)
        probe.cpu()  # "meta" holds tensors too, and no numbers
        return probe.device
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise RecipeError(f"device {name!r} is not to be had ({str(error).splitlines()[0]}); set device=cpu") from None


def train(recipe: Recipe, task: Task, logs: Path, *, name: str | None = None, watch: Watch | None = None) -> Trained:
    """Train by a recipe, recorded under `logs`; the folder's name is `name`, else the recipe's, numbered if taken.

    Ctrl-C ends it in order: the log is closed, a checkpoint written, status interrupted.
    Raises RecipeError or RunError before the first iteration for what cannot be trained or written.
    """
    training = _Training(recipe, task, watch)
    return training.run(claim(logs, recipe.name if name is None else name, numbered=name is None))


class _Training:
    def __init__(self, recipe: Recipe, task: Task, watch: Watch | None) -> None:
        self.recipe, self.task = recipe, task
        self.watch = watch or (lambda reached: None)
        self.device = device_of(recipe)
        self.model = make_model(recipe, task).to(self.device)
        self.criterion = criterion(recipe.loss, self.model.output)
        self.optimizer = Adam(self.model.parameters(), recipe.learning_rate, weight_decay=recipe.weight_decay)
        self.mixed = recipe.mixed_precision and self.device.type == "cuda"
        self.scaler = torch.amp.GradScaler(enabled=True) if self.mixed else None  # type: ignore[attr-defined]
        self.last: dict[str, Any] = {}
        self.best: dict[str, Any] = {}
        self.since_best = 0

    def run(self, path: Path) -> Trained:
        self.path = path
        log = RunLog(self.path, {"recipe": self.recipe.to_dict(), "device": str(self.device), **self._facts()})
        with self._recorder(log) as recorder, Interruption() as interruption:
            recorder.prior.fixed = self.task.prior
            self._loop(recorder, interruption)
            self._save_last(recorder)
            status = "interrupted" if interruption.asked else "finished"
            recorder.close(status)
        return Trained(self.path, status, self.last, self.best)

    def _loop(self, recorder: Recorder, interruption: Interruption) -> None:
        self._evaluate(recorder)
        for epoch, indices in batch_order(self.task, self.recipe.batch_size, self.recipe.seed):
            if recorder.iteration >= self.recipe.iterations or interruption.asked or self._is_stuck():
                return
            recorder.epoch = epoch
            self._iterate(recorder, self.task.batch(indices))
            if recorder.iteration % self.recipe.evaluate_every == 0 or recorder.iteration == self.recipe.iterations:
                self._evaluate(recorder)
            self.watch(Reached(recorder.iteration, recorder.last_loss, recorder.last_gradient_norm, self.last))

    def _iterate(self, recorder: Recorder, batch: Clips) -> None:
        self.model.train()
        self.optimizer.zero_grad()
        mask = batch.mask.to(self.device) if self.recipe.data.mask else None
        target = batch.target.to(self.device)
        with torch.autocast(self.device.type, enabled=self.mixed):
            output = self.model(batch.inputs.to(self.device), mask)
        loss = self.criterion(output.float(), target)
        unclipped = self._step(loss)
        recorder.step(loss=loss, target=target, mask=mask, unclipped_norm=unclipped, **{self.model.output: output})

    def _step(self, loss: Tensor) -> Tensor | None:
        """Backward pass and optimiser step; returns the norm before clipping, None where nothing is clipped."""
        (loss if self.scaler is None else self.scaler.scale(loss)).backward()
        unclipped = None
        if self.recipe.clip_norm is not None:
            if self.scaler is not None:
                self.scaler.unscale_(self.optimizer)
            unclipped = torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.recipe.clip_norm)
        if self.scaler is None:
            self.optimizer.step()
        else:
            self.scaler.step(self.optimizer)
            self.scaler.update()
        return unclipped

    def _evaluate(self, recorder: Recorder) -> None:
        scores, loss = scores_of(
            self.model, self.task.validation_batches(), use_mask=self.recipe.data.mask, criterion=self.criterion
        )
        target = self.task.targets[self.task.validation]
        self.last = recorder.evaluation(target=target, loss=loss, **{self.model.output: scores})
        self._save_last(recorder)
        self.since_best += 1
        if not self.best or self.last["lwlrap"] > self.best["lwlrap"]:
            self.best, self.since_best = self.last, 0
            save_checkpoint(self.path, "best", self.model, None, recorder.iteration)

    def _save_last(self, recorder: Recorder) -> None:
        """At each evaluation, so that a killed run has one too, and at the end."""
        save_checkpoint(self.path, "last", self.model, self.optimizer, recorder.iteration)

    def _is_stuck(self) -> bool:
        return self.recipe.early_stop is not None and self.since_best >= self.recipe.early_stop

    def _recorder(self, log: RunLog) -> Recorder:
        try:
            return Recorder(
                self.model,
                self.optimizer,
                log=log,
                classes=self.task.clipset.classes,
                loss=self.recipe.loss,
                level=self.recipe.level,
                scaler=self.scaler,
                pinned=self._pinned(),
            )
        except BaseException:
            log.close("failed")
            raise

    def _pinned(self) -> dict[str, Tensor]:
        """The first validation clips, cut to their own frames where the model is given masks."""
        indices = self.task.validation[: self.recipe.pinned]
        if not len(indices):
            return {}
        batch = self.task.batch(indices)
        lengths = batch.mask.sum(dim=1).tolist() if self.recipe.data.mask else [batch.inputs.shape[1]] * len(indices)
        names = [self.task.clipset.clips[index].fname for index in indices]
        return {name: clip[:length] for name, clip, length in zip(names, batch.inputs, lengths, strict=True)}

    def _facts(self) -> dict[str, Any]:
        return {
            "seed": self.recipe.seed,
            "iterations_planned": self.recipe.iterations,
            "data": self.task.description(),
            "parameter_count": sum(parameter.numel() for parameter in self.model.parameters()),
        }
