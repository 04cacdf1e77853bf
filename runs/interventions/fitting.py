"""Heads that give what the head before them gave, so that the loss fits as well or as badly as it did."""

from dataclasses import replace
from typing import Any

from ..recipe import ModelRecipe, Recipe

HAS_AXIS = ("localisation", "input-attention")
"""Heads with a softmax whose axis can be chosen."""

HAS_RNN = ("cgrnn", "simple-cgrnn")
"""Architectures with an RNN, which have the options `layer_norm` and `highway`."""


def gives(recipe: Recipe) -> str:
    """What the recipe's network gives: "logits" or "probabilities"."""
    from ..network import gives as of_network  # imports torch

    return of_network(recipe)


def with_head(recipe: Recipe, head: str, **options: Any) -> Recipe:
    """With a head that has the option `sigmoid`, set so that it gives what the recipe's own gives."""
    options = {"sigmoid": gives(recipe) == "probabilities", **options}
    return replace(recipe, model=replace(recipe.model, head=head, head_options=options))


def with_options(recipe: Recipe, **options: Any) -> Recipe:
    """With options of the architecture set."""
    model: ModelRecipe = recipe.model
    return replace(recipe, model=replace(model, options={**model.options, **options}))


def without_rnn(recipe: Recipe) -> str | None:
    """Why nothing can be done to the RNN of a recipe's network; None where it has one."""
    return None if recipe.model.architecture in HAS_RNN else f"{recipe.model.architecture} has no RNN"
