from typing import TYPE_CHECKING, ClassVar

from ..recipe import Recipe
from .base import Intervention, Loop, Patient
from .inits import why_no_init, with_init

if TYPE_CHECKING:
    from torch import nn


class OrthogonalInit(Intervention):
    """Orthogonal recurrent weights, gate by gate."""

    name: ClassVar[str] = "orthogonal-init"
    does: ClassVar[str] = "orthogonal recurrent weights, which neither shrink nor blow up what they pass back"
    source: ClassVar[str] = "Saxe et al. 2013 (1312.6120)"
    treats: ClassVar[tuple[str, ...]] = ("vanishing-through-time", "exploding-gradients")
    setting: ClassVar[str] = "init=orthogonal"

    def why_not(self, recipe: Recipe, patient: Patient) -> str | None:
        """There is no RNN, or it begins so already."""
        return why_no_init(recipe, "orthogonal")

    def recipe(self, recipe: Recipe, patient: Patient) -> Recipe:
        """With orthogonal recurrent weights."""
        return with_init(recipe, "orthogonal")

    def on_model(self, model: "nn.Module", loop: Loop) -> None:
        """Draw the recurrent weights of every RNN anew."""
        from ...models.inits import orthogonal_init

        orthogonal_init(model)
