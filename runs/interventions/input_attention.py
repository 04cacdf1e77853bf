from typing import ClassVar

from ..recipe import Recipe
from .base import Intervention, Patient
from .fitting import with_head


class InputAttention(Intervention):
    """The seed's cure: attention and localisation on the input's frames multiply what the head says of the RNN's.

    The new head gives what the old one gave, logits or probabilities, and keeps the axis of its softmax.
    """

    name: ClassVar[str] = "input-attention"
    does: ClassVar[str] = "a head that weighs the frames of the input itself; it may learn round the RNN"
    source: ClassVar[str] = "Xu et al. 2017 (1703.06052), as the seed built it"
    treats: ClassVar[tuple[str, ...]] = ("saturation-plateau", "vanishing-through-time")
    setting: ClassVar[str] = "model.head=input-attention"

    def why_not(self, recipe: Recipe, patient: Patient) -> str | None:
        """The head looks at the input already."""
        looks = recipe.model.head in ("input-attention", "scalar-attention")
        return "the head looks at the input already" if looks else None

    def recipe(self, recipe: Recipe, patient: Patient) -> Recipe:
        """With the head `input-attention`."""
        axis = recipe.model.head_options.get("axis", "class")
        return with_head(recipe, "input-attention", axis=axis)
