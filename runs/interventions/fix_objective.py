from dataclasses import replace
from typing import ClassVar

from ..recipe import Recipe
from .base import Criterion, Intervention, Patient
from .bent_losses import BentLoss

FITTING = {"probabilities": "bce", "logits": "bce-with-logits"}
"""The loss that fits what a head gives."""


class FixObjective(Intervention):
    """The loss that fits what the head gives; the network stays as it is."""

    name: ClassVar[str] = "fix-objective"
    does: ClassVar[str] = "match the loss to what the head gives: logits or probabilities"
    source: ClassVar[str] = "ours: docs/diagnosis.md, broken-objective"
    treats: ClassVar[tuple[str, ...]] = ("broken-objective",)
    setting: ClassVar[str] = "loss=bce"

    def why_not(self, recipe: Recipe, patient: Patient) -> str | None:
        """The loss fits already, or nobody knows what the network gives."""
        if patient.gives is None:
            return "nobody said what the network gives"
        return "the loss fits already" if recipe.loss == FITTING[patient.gives] else None

    def recipe(self, recipe: Recipe, patient: Patient) -> Recipe:
        """With BCE on probabilities, or on logits."""
        return replace(recipe, loss=FITTING[patient.gives or "logits"])

    def on_criterion(self, criterion: Criterion, gives: str | None) -> Criterion:
        """BCE on what the network gives, whatever the loop took; another loss than a misfitting BCE stays."""
        from torch.nn import functional

        from ..losses import binary_cross_entropy

        if gives not in FITTING or takes(criterion) in (None, gives):
            return criterion
        if isinstance(criterion, BentLoss):
            return replace(criterion, takes=gives)
        return binary_cross_entropy if gives == "probabilities" else functional.binary_cross_entropy_with_logits


def takes(criterion: Criterion) -> str | None:
    """What a binary cross-entropy takes, "logits" or "probabilities"; None for another criterion."""
    from torch import nn
    from torch.nn import functional

    from ..losses import binary_cross_entropy

    if isinstance(criterion, BentLoss):
        return criterion.takes
    if isinstance(criterion, nn.BCEWithLogitsLoss) or criterion is functional.binary_cross_entropy_with_logits:
        return "logits"
    of_probabilities = (functional.binary_cross_entropy, binary_cross_entropy)
    return "probabilities" if isinstance(criterion, nn.BCELoss) or criterion in of_probabilities else None
