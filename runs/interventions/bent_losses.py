"""What the interventions on the loss share."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..recipe import FocusKind, Recipe
from .base import Criterion

if TYPE_CHECKING:
    from torch import Tensor


def why_not_bent(recipe: Recipe) -> str | None:
    """Why a recipe's loss cannot be bent."""
    return None if recipe.focus == "none" else f"the loss is {recipe.focus} already"


def bent(recipe: Recipe, focus: FocusKind) -> Recipe:
    """With the loss bent so."""
    return replace(recipe, focus=focus)


def bent_criterion(criterion: Criterion, gives: str | None, focus: FocusKind) -> Criterion:
    """The same for a criterion of a loop's own that is binary cross-entropy; any other, or unknown scores, stay."""
    from ..losses import criterion as by_name
    from .fix_objective import takes

    if gives is None or takes(criterion) is None:
        return criterion
    loss = by_name("bce" if takes(criterion) == "probabilities" else "bce-with-logits", gives, focus)

    def on_float(scores: "Tensor", target: "Tensor", *args: Any) -> "Tensor":
        return loss(scores.float(), target.float())

    return on_float
