"""One training run: a plain PyTorch loop with the recorder on it."""

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.optim import Adam

from ..diagnostics.ablation_shares import Ablation
from ..diagnostics.errors import FlatlineError
from ..diagnostics.lwlrap import lwlrap
from .ablating import IN_TRAINING, ablation_of, schedule_of
from .checkpointing import Checkpoints
from .checkpoints import load_state_at, load_weights_at
from .evaluate import scores_of
from .interruption import Interruption
from .log import RunLog, claim
from .losses import criterion
from .network import device_of, make_model
from .pinned_clips import keep_pinned
from .progress import Keeper, Progress, put_back, put_back_random_state
from .recipe import Recipe
from .recording import Recorder
from .run import Run
from .schedules import rate_at
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
    """A run that ended: its folder, its status (finished or interrupted) and its last and best evaluation.

    stopped_by : the cause for which it was stopped, where that was asked for
    """

    path: Path
    status: str
    last: dict[str, Any]
    best: dict[str, Any]
    stopped_by: str | None = None


@dataclass(frozen=True)
class Resumed:
    """What a run goes on from: a checkpoint's state, and how many rows recorded after it went to which folder."""

    state: dict[str, Any]
    superseded_rows: int
    folder: int | None


Watch = Callable[[Reached], None]


def train(
    recipe: Recipe,
    task: Task,
    logs: Path,
    *,
    name: str | None = None,
    watch: Watch | None = None,
    stop_on: str | None = None,
) -> Trained:
    """Train by a recipe, recorded under `logs`; the folder's name is `name`, else the recipe's, numbered if taken.

    Ctrl-C ends it in order: the log is closed, a checkpoint written, status interrupted. So does, with
    `stop_on="critical"`, a critical finding.
    Raises RecipeError or RunError before the first iteration for what cannot be trained or written.
    """
    training = Training(recipe, task, watch, stop_on)
    return training.run(claim(logs, recipe.name if name is None else name, numbered=name is None))


class Training:
    """A run about to be trained: from its beginning, or on from a checkpoint.

    until : iterations after which it pauses, evaluated and ablated, as if it were interrupted; None is the recipe's end
    about : what run.json says besides
    """

    def __init__(
        self,
        recipe: Recipe,
        task: Task,
        watch: Watch | None = None,
        stop_on: str | None = None,
        *,
        until: int | None = None,
        about: Mapping[str, Any] | None = None,
    ) -> None:
        self.recipe, self.task = recipe, task
        self.until = recipe.iterations if until is None else min(until, recipe.iterations)
        self.about = dict(about or {})
        self.stop_on = stop_on
        self.stopped_by: str | None = None
        self.watch = watch or (lambda reached: None)
        self.device = device_of(recipe)
        self.model = make_model(recipe, task).to(self.device)
        self.criterion = criterion(recipe.loss, self.model.output, recipe.focus)
        self.optimizer = Adam(self.model.parameters(), recipe.learning_rate, weight_decay=recipe.weight_decay)
        self.mixed = recipe.mixed_precision and self.device.type == "cuda"
        self.scaler = torch.amp.GradScaler(enabled=True) if self.mixed else None  # type: ignore[attr-defined]
        self.progress = Progress()
        self.resumed: Resumed | None = None

    def take(self, checkpoint: Path) -> dict[str, Any]:
        """Take over weights, optimiser and progress of a checkpoint (its weights' file); returns its state.

        Raises RunError where it does not fit, is damaged, or holds no more than earlier versions wrote.
        """
        state = load_state_at(checkpoint)
        load_weights_at(checkpoint, self.model)
        self.progress = put_back(state, checkpoint, self.optimizer, self.scaler)
        for group in self.optimizer.param_groups:  # a fork's recipe may have others than its parent's optimiser had
            group.update(lr=self.recipe.learning_rate, weight_decay=self.recipe.weight_decay)
        return state

    def run(self, path: Path) -> Trained:
        """Train in that folder to the recipe's end, or until it is interrupted."""
        info = {"recipe": self.recipe.to_dict(), "device": str(self.device), **self._facts(), **self.about}
        log = RunLog(path, info, resume=self.resumed is not None)
        self.keeper = Keeper(
            log, Checkpoints(log.folder, self.recipe.keep_checkpoints), self.model, self.optimizer, self.scaler
        )
        with self._recorder(log) as recorder, Interruption() as interruption:
            recorder.prior.fixed = self.task.sampled_prior(self.recipe.sampling)
            if self.resumed is not None:
                self._go_on(self.resumed, recorder, log)
            self._loop(recorder, interruption)
            self.keeper.keep(recorder, self.progress)
            is_paused = recorder.iteration == self.until < self.recipe.iterations
            is_cut = interruption.asked or self.stopped_by is not None or is_paused
            status = "interrupted" if is_cut else "finished"
            recorder.close(status)
        return Trained(path, status, self.progress.last, self.progress.best, self.stopped_by)

    def _go_on(self, resumed: Resumed, recorder: Recorder, log: RunLog) -> None:
        recorder.load_state(resumed.state["recorder"])
        at, newest = recorder.iteration, Run(log.folder).last_iteration
        if (recorded := 0 if newest is None else newest + 1) < at:
            log.event("gap", recorded, rows=at - recorded, why="they were not on disk when the process died")
        log.event("resume", at, superseded_rows=resumed.superseded_rows, superseded=resumed.folder)
        put_back_random_state(resumed.state["random"], self.device)

    def _loop(self, recorder: Recorder, interruption: Interruption) -> None:
        if not self.progress.last:
            self._evaluate(recorder)
        recipe = self.recipe
        order = batch_order(self.task, recipe.batch_size, recipe.seed, recorder.iteration, recipe.sampling)
        for epoch, indices in order:
            if interruption.asked or self._is_given_up(recorder):
                return
            if recorder.iteration >= self.until or self._is_stuck():
                break
            recorder.epoch = epoch
            self._iterate(recorder, self.task.batch(indices))
            if recorder.iteration % recipe.evaluate_every == 0 or recorder.iteration == self.until:
                self._evaluate(recorder)
            elif self.keeper.is_due():
                self.keeper.keep(recorder, self.progress)
            self.watch(Reached(recorder.iteration, recorder.last_loss, recorder.last_gradient_norm, self.progress.last))
        if self.progress.last["iteration"] != recorder.iteration:  # resumed at what is now its last iteration
            self._evaluate(recorder)

    def _iterate(self, recorder: Recorder, batch: Clips) -> None:
        self.model.train()
        self.optimizer.zero_grad()
        self._set_rate(recorder.iteration)
        mask = batch.mask.to(self.device) if self.recipe.data.mask else None
        target = batch.target.to(self.device)
        with torch.autocast(self.device.type, enabled=self.mixed):
            output = self.model(batch.inputs.to(self.device), mask)
        loss = self.criterion(output.float(), target)
        unclipped = self._step(loss)
        recorder.step(loss=loss, target=target, mask=mask, unclipped_norm=unclipped, **{self.model.output: output})

    def _set_rate(self, iteration: int) -> None:
        recipe = self.recipe
        per_epoch = len(self.task.train) // recipe.batch_size
        rate = rate_at(recipe.schedule, recipe.learning_rate, iteration, recipe.iterations, per_epoch)
        for group in self.optimizer.param_groups:
            group["lr"] = rate

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

    def _ablation(self, iteration: int, scores: np.ndarray, target: np.ndarray) -> Ablation | None:
        """What the parts of the network carry, where it is due; a fault in it does not end the training."""
        schedule = schedule_of(self.recipe, self.task, self.model)
        is_end = iteration == self.until or self._gets_stuck(scores, target)
        if not (schedule.is_due(iteration) or (self.recipe.ablate and is_end)):
            return None
        try:
            return ablation_of(self.model, self.task, self.recipe, what=IN_TRAINING, n_clips=schedule.n_clips)
        except (FlatlineError, RuntimeError, MemoryError) as error:
            warnings.warn(
                f"the network at iteration {iteration} could not be ablated ({error}); training goes on, and "
                "`flatline ablate` tries it again",
                stacklevel=2,
            )
            return None

    def _gets_stuck(self, scores: np.ndarray, target: np.ndarray) -> bool:
        """Whether these scores are those after which an early stop comes."""
        best, patience = self.progress.best, self.recipe.early_stop
        if patience is None or not best or self.progress.since_best + 1 < patience:
            return False
        return bool(np.isnan(scores).any()) or not lwlrap(scores, target) > best["lwlrap"]

    def _evaluate(self, recorder: Recorder) -> None:
        scores, loss = scores_of(
            self.model, self.task.validation_batches(), use_mask=self.recipe.data.mask, criterion=self.criterion
        )
        target = self.task.targets[self.task.validation]
        shares = self._ablation(recorder.iteration, scores, target)
        self.progress = self.progress.after(
            recorder.evaluation(
                target=target, loss=loss, ablations=shares, prior=self.task.prior, **{self.model.output: scores}
            )
        )
        self.keeper.keep(recorder, self.progress, evaluated=True)

    def _is_given_up(self, recorder: Recorder) -> bool:
        diagnosis = recorder.diagnosis
        if self.stop_on != "critical" or diagnosis is None or diagnosis.verdict != "collapsed":
            return False
        self.stopped_by = diagnosis.cause
        return True

    def _is_stuck(self) -> bool:
        return self.recipe.early_stop is not None and self.progress.since_best >= self.recipe.early_stop

    def _recorder(self, log: RunLog) -> Recorder:
        try:
            pinned = self._pinned()
            keep_pinned(log.folder, self.task, pinned, fsync=log.fsync)
            return Recorder(
                self.model,
                self.optimizer,
                log=log,
                classes=self.task.clipset.classes,
                loss=self.recipe.loss,
                level=self.recipe.level,
                scaler=self.scaler,
                pinned=pinned,
                bent=self.recipe.focus != "none",
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
