from dataclasses import replace
from typing import ClassVar

from ..recipe import Recipe
from .base import Intervention, Patient


class StandardiseFeatures(Intervention):
    """Each mel bin has mean 0 and standard deviation 1 over the training clips."""

    name: ClassVar[str] = "standardise-features"
    does: ClassVar[str] = "standardise each mel bin by the training clips"
    source: ClassVar[str] = "LeCun et al. 1998 (Efficient BackProp), section 4.3"
    treats: ClassVar[tuple[str, ...]] = ("dead-units", "non-finite")
    setting: ClassVar[str] = "data.scaling=standardise"

    def why_not(self, recipe: Recipe, patient: Patient) -> str | None:
        """They are standardised already."""
        return "features are standardised already" if recipe.data.scaling == "standardise" else None

    def recipe(self, recipe: Recipe, patient: Patient) -> Recipe:
        """With features scaled by the training clips."""
        return replace(recipe, data=replace(recipe.data, scaling="standardise"))
