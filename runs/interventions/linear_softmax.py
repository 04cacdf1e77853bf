from dataclasses import replace
from typing import ClassVar

from ..recipe import Recipe
from .base import Intervention, Patient
from .fitting import gives


class LinearSoftmax(Intervention):
    """Frames weighted by their own probabilities: sum p^2 / sum p.

    It reads what the RNN gives and nothing else, so an RNN that an attention on the input went round is needed again.
    The head gives probabilities. Where the old one gave logits to a loss on logits, the loss changes with it; where it
    gave probabilities the loss stays, fitting or not, since `fix-objective` is there for that.
    """

    name: ClassVar[str] = "linear-softmax"
    does: ClassVar[str] = "pool over frames by sum p^2 / sum p, where no single frame takes all"
    source: ClassVar[str] = "Wang et al. 2018 (1810.09050)"
    treats: ClassVar[tuple[str, ...]] = ("attention-collapse", "bypassed-recurrence")

    def why_not(self, recipe: Recipe, patient: Patient) -> str | None:
        """The head pools so already."""
        return "the head pools so already" if recipe.model.head == "linear-softmax" else None

    def recipe(self, recipe: Recipe, patient: Patient) -> Recipe:
        """With the head `linear-softmax`, and the loss on probabilities where that on logits fitted."""
        loss = "bce" if gives(recipe) == "logits" else recipe.loss
        return replace(recipe, loss=loss, model=replace(recipe.model, head="linear-softmax", head_options={}))
