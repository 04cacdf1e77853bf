"""What the interventions on the loss share."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ..recipe import FocusKind, Recipe
from .base import Criterion

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class BentLoss:
    """A focal or asymmetric loss in place of a loop's own; `takes` "logits" or "probabilities"."""

    focus: FocusKind
    takes: str

    def __call__(self, scores: "Tensor", target: "Tensor") -> "Tensor":
        """The mean over clips and classes of (clip, class) scores and multi-hot targets."""
        from ..losses import criterion

        kind = "bce" if self.takes == "probabilities" else "bce-with-logits"
        return criterion(kind, self.takes, self.focus)(scores.float(), target.float())


def why_not_bent(recipe: Recipe) -> str | None:
    """Why a recipe's loss cannot be bent."""
    return None if recipe.focus == "none" else f"the loss is {recipe.focus} already"


def bent(recipe: Recipe, focus: FocusKind) -> Recipe:
    """With the loss bent so."""
    return replace(recipe, focus=focus)


def bent_criterion(criterion: Criterion, focus: FocusKind) -> Criterion:
    """The same for a criterion of a loop's own that is binary cross-entropy; any other stays."""
    from .fix_objective import takes

    kind = None if isinstance(criterion, BentLoss) else takes(criterion)
    return criterion if kind is None else BentLoss(focus, kind)
