"""Which beginning of the RNNs a recipe has, with one more."""

from dataclasses import replace
from typing import Any

from ..recipe import Recipe
from .fitting import without_rnn


def why_no_init(recipe: Recipe, kind: str) -> str | None:
    """Why a recipe's RNNs cannot begin so too."""
    return without_rnn(recipe) or ("its RNN begins so already" if kind in recipe.init else None)


def with_init(recipe: Recipe, kind: str) -> Recipe:
    """With RNNs that begin so, besides what they have: one is of weights, the other of biases."""
    init: Any = kind if recipe.init == "default" else "orthogonal-chrono"
    return replace(recipe, init=init)
