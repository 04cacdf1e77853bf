from typing import ClassVar

from ..recipe import Recipe
from .base import Criterion, Intervention, Patient
from .bent_losses import bent, bent_criterion, why_not_bent


class AsymmetricLoss(Intervention):
    """The many classes that a clip does not have count for nothing once they are below .05, and little above."""

    name: ClassVar[str] = "asymmetric-loss"
    does: ClassVar[str] = "count the classes that a clip does not have for little: the asymmetric loss"
    source: ClassVar[str] = "Ridnik et al. 2020 (2009.14119)"
    treats: ClassVar[tuple[str, ...]] = ("saturation-plateau", "constant-predictor")
    setting: ClassVar[str] = "focus=asymmetric"

    def why_not(self, recipe: Recipe, patient: Patient) -> str | None:
        """The loss is bent already."""
        return why_not_bent(recipe)

    def recipe(self, recipe: Recipe, patient: Patient) -> Recipe:
        """With this loss."""
        return bent(recipe, "asymmetric")

    def on_criterion(self, criterion: Criterion, gives: str | None) -> Criterion:
        """Bend a binary cross-entropy, on what that takes."""
        return bent_criterion(criterion, "asymmetric")
