from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from ..recipe import Recipe
from ..recipe_ranges import CYCLING
from .base import Intervention, Loop, Patient

if TYPE_CHECKING:
    from torch.optim import Optimizer

MOST, SHARE = 100, 5
"""Iterations of the warm-up, and into how many parts of a short run it goes at least; ours: the plateaus of the seed's
networks are reached by iteration 45 to 95, so a warm-up has to last longer than that to keep them from it."""


class WarmUp(Intervention):
    """The learning rate rises by equal steps over the first hundred iterations, or the first fifth of a shorter run."""

    name: ClassVar[str] = "warm-up"
    does: ClassVar[str] = "raise the learning rate slowly over the first hundred iterations"
    source: ClassVar[str] = "Goyal et al. 2017 (1706.02677), section 2.2"
    treats: ClassVar[tuple[str, ...]] = ("exploding-gradients", "learning-rate-too-high")

    def why_not(self, recipe: Recipe, patient: Patient) -> str | None:
        """The rate rises at the beginning already, or the beginning is over."""
        if patient.begin >= _iterations(recipe.iterations):
            return f"it would begin at iteration {patient.begin}, where a warm-up is over"
        rises = recipe.schedule.kind in CYCLING or recipe.schedule.warm_up
        return "the rate rises at the beginning already" if rises else None

    def recipe(self, recipe: Recipe, patient: Patient) -> Recipe:
        """With a warm-up before its constant rate, or before its cosine."""
        kind = "warm-up" if recipe.schedule.kind == "constant" else recipe.schedule.kind
        return replace(recipe, schedule=replace(recipe.schedule, kind=kind, warm_up=_iterations(recipe.iterations)))

    def on_optimizer(self, optimizer: "Optimizer", loop: Loop, patient: Patient) -> None:
        """Let each of the first steps take its share of whatever rate its group then has.

        The rate is put back after the step, so a schedule of the loop's own goes on as it would. A recorder that is put
        on before records the rate without it.
        """
        n, done, held = _iterations(loop.iterations), 0, []

        def before(optimizer: Any, args: Any, kwargs: Any) -> None:
            nonlocal done
            held[:] = [group["lr"] for group in optimizer.param_groups]
            for group, rate in zip(optimizer.param_groups, held, strict=True):
                group["lr"] = rate * min(1.0, (done + 1) / (n + 1))
            done += 1

        def after(optimizer: Any, args: Any, kwargs: Any) -> None:
            for group, rate in zip(optimizer.param_groups, held, strict=True):
                group["lr"] = rate

        optimizer.register_step_pre_hook(before)
        optimizer.register_step_post_hook(after)


def _iterations(of_run: int) -> int:
    return max(1, min(MOST, of_run // SHARE))
