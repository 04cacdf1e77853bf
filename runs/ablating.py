"""Ablations of a recipe's network on a task's validation clips, and at which evaluations training makes them."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from math import ceil
from typing import Any

import numpy as np
from torch import Tensor, nn

from ..data import SILENCE_DB
from ..diagnostics.ablation import ablate
from ..diagnostics.ablation_parts import WHAT, most_passes
from ..diagnostics.ablation_shares import Ablation
from ..models import Tagger
from .recipe import Recipe
from .task import Clips, Task

IN_TRAINING = ("rnn", "attention", "frame_shuffle")
"""What training tries; silence in pieces of the input costs six passes more and says nothing of the network's parts."""

CLIPS, FEWEST_CLIPS = 256, 64
"""Validation clips that an ablation during training takes at most, and however short the training is; ours: an RNN's
share of 240 clips is known to about .04, of 64 to about .08."""

COST = 0.05
"""Of the passes of training that ablations may take, an iteration being three: forwards, and twice that backwards."""


@dataclass(frozen=True)
class Schedule:
    """When training ablates: at its last evaluation, and before it at doubling distances as far as `COST` allows.

    A function of the recipe and the sizes alone, so that a run that is resumed does as one that was not interrupted.

    n_passes : through the network for one ablation
    n_validation : clips there are
    """

    recipe: Recipe
    n_passes: int
    n_validation: int

    @property
    def n_clips(self) -> int:
        """Clips of an ablation: as many as the last one may cost."""
        affordable = int(self._earned(self.recipe.iterations) / self.n_passes)
        return min(self.n_validation, max(FEWEST_CLIPS, min(CLIPS, affordable)))

    def is_due(self, iteration: int) -> bool:
        """Whether the evaluation at that iteration ablates."""
        if not self.recipe.ablate or not iteration:
            return False
        if iteration >= self.recipe.iterations:
            return True
        if 2 * iteration > self.recipe.iterations:  # the last one would cost as much again too soon
            return False
        point = first = ceil(self.n_clips * self.n_passes / self._earned(1))
        while 2 * point <= iteration:
            point *= 2
        return first <= iteration < point + self.recipe.evaluate_every

    def _earned(self, iterations: int) -> float:
        """Passes of a clip that so many iterations pay for."""
        return COST * 3 * self.recipe.batch_size * iterations


def schedule_of(recipe: Recipe, task: Task, model: Tagger) -> Schedule:
    """When training by a recipe ablates."""
    return Schedule(recipe, most_passes(model), len(task.validation))


def ablation_of(
    model: Tagger,
    task: Task,
    recipe: Recipe,
    *,
    what: Sequence[str] = tuple(WHAT),
    n_clips: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Ablation:
    """What each part of a network carries of its lwlrap on the validation clips.

    Real frames are those of the clips before padding, whether the model is handed a mask or not; silence is what clips
    are padded with.

    n_clips : evenly spaced ones of the validation clips; None takes them all
    """
    some = task.validation
    if n_clips is not None and n_clips < len(some):
        some = some[np.linspace(0, len(some) - 1, n_clips).round().astype(int)]
    silence = task.scaling.apply(np.full((1, task.settings.n_mels), SILENCE_DB, dtype=np.float32))[0]
    return ablate(
        model,
        partial(_batches, task, some),
        forward=partial(_forward, recipe.data.mask),
        mask=_mask,
        prior=task.prior,
        silence=silence,
        what=what,
        seed=recipe.seed,
        progress=progress,
    )


def _batches(task: Task, indices: np.ndarray, size: int = 64) -> Iterator[Clips]:
    for start in range(0, len(indices), size):
        yield task.batch(indices[start : start + size])


def _forward(use_mask: bool, model: nn.Module, batch: Clips) -> tuple[Any, Any]:
    device = next(model.parameters()).device
    return model(batch.inputs.to(device), batch.mask.to(device) if use_mask else None), batch.target


def _mask(batch: Clips) -> Tensor:
    return batch.mask
