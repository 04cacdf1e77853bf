from dataclasses import replace
from typing import ClassVar

from ..recipe import Recipe
from .base import Intervention, Patient


class MaskPadding(Intervention):
    """The padding mask reaches whatever pools over frames."""

    name: ClassVar[str] = "mask-padding"
    does: ClassVar[str] = "hand the padding mask to whatever pools over frames"
    source: ClassVar[str] = "ours: docs/diagnosis.md, attention-collapse"
    treats: ClassVar[tuple[str, ...]] = ("attention-collapse",)
    setting: ClassVar[str] = "data.mask=true"

    def why_not(self, recipe: Recipe, patient: Patient) -> str | None:
        """It is masked already."""
        return "padding is masked already" if recipe.data.mask else None

    def recipe(self, recipe: Recipe, patient: Patient) -> Recipe:
        """With the mask."""
        return replace(recipe, data=replace(recipe.data, mask=True))
