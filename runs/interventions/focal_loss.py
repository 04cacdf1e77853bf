from typing import ClassVar

from ..recipe import Recipe
from .base import Criterion, Intervention, Patient
from .bent_losses import bent, bent_criterion, why_not_bent


class FocalLoss(Intervention):
    """Cross-entropy times (1 - p)^2, p the probability of what is so: what is known already counts for little."""

    name: ClassVar[str] = "focal-loss"
    does: ClassVar[str] = "count what is known already for little: the focal loss, gamma 2"
    source: ClassVar[str] = "Lin et al. 2017 (RetinaNet, 1708.02002)"
    treats: ClassVar[tuple[str, ...]] = ("saturation-plateau", "constant-predictor")
    setting: ClassVar[str] = "focus=focal"

    def why_not(self, recipe: Recipe, patient: Patient) -> str | None:
        """The loss is bent already."""
        return why_not_bent(recipe)

    def recipe(self, recipe: Recipe, patient: Patient) -> Recipe:
        """With this loss."""
        return bent(recipe, "focal")

    def on_criterion(self, criterion: Criterion, gives: str | None) -> Criterion:
        """Bend a binary cross-entropy, on what that takes."""
        return bent_criterion(criterion, "focal")
