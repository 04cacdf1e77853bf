"""A learning-rate range test: a short training whose rate rises exponentially (Smith 2015, 1506.01186)."""

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import Tensor

from .log import claim
from .lr_range_curve import Divergence
from .recipe import Recipe, RecipeError, ScheduleRecipe
from .task import Task
from .train import Trained, Training, Watch

FIRST, LAST, ITERATIONS = 1e-6, 1.0, 200
"""Of a test, where it is not said otherwise; ours: 33 iterations a decade. Below 1e-6 no net of ours moves with Adam,
and above 1 none learns."""

LEAST_ITERATIONS = 20


@dataclass(frozen=True)
class Sweep:
    """Which rates are tried: `iterations` of them from `first` to `last`, each the same multiple of the one before."""

    first: float = FIRST
    last: float = LAST
    iterations: int = ITERATIONS

    def __post_init__(self) -> None:
        if not 0 < self.first < self.last < math.inf:
            raise RecipeError(
                f"the rates go from {self.first} to {self.last} (flatline lr-range); give --from above 0 and below --to"
            )
        if self.iterations < LEAST_ITERATIONS:
            raise RecipeError(
                f"iterations is {self.iterations} (flatline lr-range), too few for a curve; "
                f"give {LEAST_ITERATIONS} or more"
            )

    def rate(self, iteration: int) -> float:
        """The rate of an iteration, from 0.

        >>> [round(Sweep(1e-4, 1e-2, 21).rate(iteration), 6) for iteration in (0, 10, 20)]
        [0.0001, 0.001, 0.01]
        """
        return self.first * (self.last / self.first) ** (iteration / (self.iterations - 1))


class RangeTest(Training):
    """A training whose rate rises with every iteration, and which ends where the loss diverges."""

    def __init__(self, recipe: Recipe, task: Task, sweep: Sweep, watch: Watch | None = None) -> None:
        about: dict[str, Any] = {"lr_range": vars(sweep)}
        super().__init__(for_range_test(recipe, sweep), task, watch, about=about)
        self.sweep = sweep
        self._divergence = Divergence()

    def _set_rate(self, iteration: int) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = self.sweep.rate(iteration)

    def _step(self, loss: Tensor) -> Tensor | None:
        self._divergence.add(float(loss.detach()))  # not the recorder's last loss, which on a GPU comes later
        return super()._step(loss)

    def _is_stuck(self) -> bool:
        return self._divergence.is_over


def for_range_test(recipe: Recipe, sweep: Sweep) -> Recipe:
    """The recipe of a range test: little is recorded, and scores only at its ends, since the curve is all it is for."""
    return replace(
        recipe,
        name=f"{recipe.name}-lr-range",
        iterations=sweep.iterations,
        evaluate_every=sweep.iterations,
        learning_rate=sweep.first,
        schedule=ScheduleRecipe(),
        level="light",
        early_stop=None,
        ablate=False,
        pinned=0,
    )


def lr_range(
    recipe: Recipe, task: Task, sweep: Sweep, logs: Path, *, name: str | None = None, watch: Watch | None = None
) -> Trained:
    """Run a range test of a recipe under `logs`; the folder's name is `name`, else `<recipe>-lr-range`, numbered."""
    test = RangeTest(recipe, task, sweep, watch)
    return test.run(claim(logs, test.recipe.name if name is None else name, numbered=name is None))
