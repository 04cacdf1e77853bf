from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from ..recipe import Recipe
from .base import Intervention, Loop, Patient

if TYPE_CHECKING:
    from torch import Tensor, nn


class PriorBias(Intervention):
    """The output bias starts at logit(class prior), so that rare classes begin rare.

    In a loop of the user's own it is the bias of the model's `output_layer` where it names one, else of its only linear
    layer with as many outputs as classes, else of the last such; under cross-entropy it is log(prior). A model or head
    with a method `set_prior_bias` does it itself.
    """

    name: ClassVar[str] = "prior-bias"
    does: ClassVar[str] = "start the output bias at logit(class prior), so that rare classes begin rare"
    source: ClassVar[str] = "Lin et al. 2017 (RetinaNet, 1708.02002), section 4.1"
    treats: ClassVar[tuple[str, ...]] = ("saturation-plateau", "constant-predictor", "bypassed-recurrence")
    setting: ClassVar[str] = "prior_bias=true"

    def why_not(self, recipe: Recipe, patient: Patient) -> str | None:
        """It starts there already."""
        return "the output bias starts at the prior already" if recipe.prior_bias else None

    def recipe(self, recipe: Recipe, patient: Patient) -> Recipe:
        """With the key set."""
        return replace(recipe, prior_bias=True)

    def on_model(self, model: "nn.Module", loop: Loop) -> None:
        """Set the bias; nothing where the loop gave no prior or the network has no such layer."""
        if loop.prior is None:
            return
        for owner in (model, getattr(model, "head", None)):
            if callable(own := getattr(owner, "set_prior_bias", None)):
                own(loop.prior)
                return
        _set_bias(model, loop.prior, loop.loss)


def _set_bias(model: "nn.Module", prior: "Tensor", loss: str | None) -> None:
    import torch

    from ...models.pooling import prior_logit

    bias = _output_bias(model, len(prior))
    if bias is not None:
        with torch.no_grad():
            bias.copy_(prior.clamp_min(1e-5).log() if loss == "cross-entropy" else prior_logit(prior))


def _output_bias(model: "nn.Module", n_classes: int) -> "nn.Parameter | None":
    from torch import nn

    from ...diagnostics.parts import output_bias

    name = output_bias(model, n_classes)
    if name is not None:
        return dict(model.named_parameters()).get(name)
    linear = [module for module in model.modules() if isinstance(module, nn.Linear)]
    fitting = [layer.bias for layer in linear if layer.out_features == n_classes and layer.bias is not None]
    return fitting[-1] if fitting else None
