from dataclasses import replace
from typing import ClassVar

from ..recipe import Recipe
from .base import Intervention, Patient


class ClassBalancedSampling(Intervention):
    """Batches in which rare classes are as frequent as common ones."""

    name: ClassVar[str] = "class-balanced-sampling"
    does: ClassVar[str] = "draw batches in which rare classes are as frequent as common ones"
    source: ClassVar[str] = "Xu et al. 2017 (1710.00343); Cui et al. 2019 (1901.05555) for the weights it stands for"
    treats: ClassVar[tuple[str, ...]] = ("single-class-collapse",)
    setting: ClassVar[str] = "sampling=class-balanced"

    def why_not(self, recipe: Recipe, patient: Patient) -> str | None:
        """Batches are drawn so already."""
        return "batches are drawn so already" if recipe.sampling == "class-balanced" else None

    def recipe(self, recipe: Recipe, patient: Patient) -> Recipe:
        """With batches drawn by class."""
        return replace(recipe, sampling="class-balanced")
