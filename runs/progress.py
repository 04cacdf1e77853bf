"""How far a training run has come, as a checkpoint holds it: all that a resume needs to go on bit by bit."""

import warnings
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from ..diagnostics.errors import RunError
from .checkpointing import Checkpoints
from .checkpoints import Facts
from .log import RunLog
from .recording import Recorder

CHECKPOINT_S = 60.0
"""Seconds of training after which a checkpoint is written between two evaluations; what a kill loses at most. Ours: one
of a story's networks takes about 10 ms."""

NEEDED = ("iteration", "optimizer", "scaler", "random", "progress", "recorder")


@dataclass(frozen=True)
class Progress:
    """The last and the best evaluation, and how many there were since the best."""

    last: dict[str, Any] = field(default_factory=dict)
    best: dict[str, Any] = field(default_factory=dict)
    since_best: int = 0

    def after(self, evaluation: dict[str, Any]) -> Self:
        """After one more evaluation."""
        if not self.best or evaluation["lwlrap"] > self.best["lwlrap"]:
            return type(self)(evaluation, evaluation, 0)
        return type(self)(evaluation, self.best, self.since_best + 1)

    def state(self) -> dict[str, Any]:
        """For a checkpoint."""
        return {"last": _as_tensors(self.last), "best": _as_tensors(self.best), "since_best": self.since_best}

    @classmethod
    def of(cls, state: dict[str, Any]) -> Self:
        """From a checkpoint."""
        return cls(_as_arrays(state["last"]), _as_arrays(state["best"]), state["since_best"])


class Keeper:
    """Writes a run's checkpoints: each only once the rows before it are on disk."""

    def __init__(
        self, log: RunLog, checkpoints: Checkpoints, model: nn.Module, optimizer: Optimizer, scaler: Any
    ) -> None:
        self.log, self.checkpoints = log, checkpoints
        self.model, self.optimizer, self.scaler = model, optimizer, scaler
        self._newest: tuple[int, int] | None = None  # iteration, and that of its last evaluation
        self._kept_at = monotonic()
        self._warned = False

    def is_due(self) -> bool:
        """Whether one is due between two evaluations."""
        return monotonic() - self._kept_at >= CHECKPOINT_S

    def keep(self, recorder: Recorder, progress: Progress, *, evaluated: bool = False) -> None:
        """Write a checkpoint, unless this one is written already; one that cannot be written does not end the training.

        evaluated : made at an evaluation, so that it joins the ring
        """
        mark = (recorder.iteration, progress.last["iteration"])
        if mark == self._newest:
            return
        state = {
            "optimizer": self.optimizer.state_dict(),
            "scaler": None if self.scaler is None else self.scaler.state_dict(),
            "random": random_state(next(self.model.parameters()).device),
            "progress": progress.state(),
            "recorder": recorder.state(),
        }
        newest = (recorder.last_loss, recorder.last_gradient_norm)
        healthy = recorder.iteration == 0 or bool(np.isfinite(newest).all())
        facts = Facts(recorder.iteration, healthy, evaluated, progress.best["iteration"])
        self._kept_at = monotonic()
        try:
            self.log.flush(wait=False)  # a store gets rows before checkpoints in any case
            self.checkpoints.save(self.model, state, facts)
            self._newest = mark
        except OSError as error:
            self._warn(recorder.iteration, error)

    def _warn(self, iteration: int, error: OSError) -> None:
        if not self._warned:
            self._warned = True
            warnings.warn(
                f"no checkpoint of iteration {iteration} could be written ({error}; told once); training goes on and "
                f"the next one is tried: make room or give back the permission in {self.checkpoints.run}",
                stacklevel=2,
            )


def put_back(state: dict[str, Any], checkpoint: Path, optimizer: Optimizer, scaler: Any) -> Progress:
    """Optimiser and scaler as they were; returns the progress.

    Raises RunError for a checkpoint of an earlier version, or of another optimiser.
    """
    if missing := [key for key in NEEDED if key not in state]:
        raise RunError(
            f"checkpoint {checkpoint} lacks {', '.join(missing)}: an earlier Flatline wrote it, and a run cannot be "
            "resumed from it; train anew"
        )
    try:
        optimizer.load_state_dict(state["optimizer"])
        if scaler is not None and state["scaler"] is not None:
            scaler.load_state_dict(state["scaler"])
    except (ValueError, KeyError, RuntimeError) as error:
        raise RunError(f"checkpoint {checkpoint} does not fit the optimiser ({error}); was run.json changed?") from None
    return Progress.of(state["progress"])


def random_state(device: torch.device) -> dict[str, Tensor]:
    """What the next random numbers of training depend on: PyTorch's generators; nothing here draws from others."""
    on_device = {"cuda": torch.cuda.get_rng_state(device)} if device.type == "cuda" else {}
    return {"cpu": torch.get_rng_state(), **on_device}


def put_back_random_state(state: dict[str, Tensor], device: torch.device) -> None:
    """As it was; a device that was not used then keeps its own."""
    torch.set_rng_state(state["cpu"])
    if device.type == "cuda" and "cuda" in state:
        torch.cuda.set_rng_state(state["cuda"], device)


def _as_tensors(row: dict[str, Any]) -> dict[str, Any]:
    arrays = {key: torch.from_numpy(value.copy()) for key, value in row.items() if isinstance(value, np.ndarray)}
    plain = {key: value.item() if isinstance(value, np.generic) else value for key, value in row.items()}
    return {**plain, **arrays}


def _as_arrays(row: dict[str, Any]) -> dict[str, Any]:
    return {key: value.numpy() if isinstance(value, Tensor) else value for key, value in row.items()}
