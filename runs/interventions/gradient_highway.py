from typing import ClassVar

from ..recipe import Recipe
from .base import Intervention, Patient
from .fitting import with_options, without_rnn


class GradientHighway(Intervention):
    """A residual round the RNN, by which the gradient reaches what lies before it.

    What comes past the RNN can carry the score alone: the ablation says what the RNN carries then.
    """

    name: ClassVar[str] = "gradient-highway"
    does: ClassVar[str] = "a residual connection round the RNN, by which the gradient reaches what lies before it"
    source: ClassVar[str] = "He et al. 2015 (1512.03385); Srivastava et al. 2015 (1505.00387)"
    treats: ClassVar[tuple[str, ...]] = ("vanishing-through-time", "gradient-death")
    setting: ClassVar[str] = "model.options.highway=true"

    def why_not(self, recipe: Recipe, patient: Patient) -> str | None:
        """There is no RNN, or a way past it already."""
        has_one = recipe.model.options.get("highway")
        return without_rnn(recipe) or ("there is one already" if has_one else None)

    def recipe(self, recipe: Recipe, patient: Patient) -> Recipe:
        """With the option `highway`."""
        return with_options(recipe, highway=True)
