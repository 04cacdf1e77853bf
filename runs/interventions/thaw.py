from typing import TYPE_CHECKING, ClassVar

from ..recipe import Recipe
from .base import Intervention, Loop, Patient

if TYPE_CHECKING:
    from torch import nn
    from torch.optim import Optimizer


class Thaw(Intervention):
    """Every parameter has a gradient, and the optimiser holds it; for loops of the user's own.

    What is frozen on purpose is thawed too. Where a `detach()` or a `no_grad()` cuts the gradient off, only the code
    can be mended.
    """

    name: ClassVar[str] = "thaw"
    does: ClassVar[str] = "give every parameter a gradient and an optimiser that holds it"
    source: ClassVar[str] = "ours: docs/diagnosis.md, frozen-parameters"
    treats: ClassVar[tuple[str, ...]] = ("frozen-parameters",)

    def why_not(self, recipe: Recipe, patient: Patient) -> str | None:
        """A recipe freezes nothing."""
        return "a recipe freezes nothing; look at the code"

    def on_model(self, model: "nn.Module", loop: Loop) -> None:
        """Let every parameter have a gradient."""
        model.requires_grad_(True)

    def on_optimizer(self, optimizer: "Optimizer", loop: Loop, patient: Patient) -> None:
        """Add what of the model no group holds, with the settings of the optimiser; nothing without `loop.model`."""
        held = {id(weight) for group in optimizer.param_groups for weight in group["params"]}
        weights = [] if loop.model is None else [one for one in loop.model.parameters() if id(one) not in held]
        if weights:
            optimizer.add_param_group({"params": weights})
