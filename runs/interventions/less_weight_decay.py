from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from ..recipe import Recipe
from .base import Intervention, Loop, Patient

if TYPE_CHECKING:
    from torch.optim import Optimizer


class LessWeightDecay(Intervention):
    """No weight decay."""

    name: ClassVar[str] = "less-weight-decay"
    does: ClassVar[str] = "no weight decay"
    source: ClassVar[str] = "ours: docs/diagnosis.md, constant-predictor"
    setting: ClassVar[str] = "weight_decay=0"

    def why_not(self, recipe: Recipe, patient: Patient) -> str | None:
        """There is none."""
        return None if recipe.weight_decay else "there is no weight decay"

    def recipe(self, recipe: Recipe, patient: Patient) -> Recipe:
        """Without it."""
        return replace(recipe, weight_decay=0.0)

    def on_optimizer(self, optimizer: "Optimizer", loop: Loop, patient: Patient) -> None:
        """Without it in every group."""
        for group in optimizer.param_groups:
            if "weight_decay" in group:
                group["weight_decay"] = 0.0
