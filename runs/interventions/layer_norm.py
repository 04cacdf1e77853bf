from typing import TYPE_CHECKING, Any, ClassVar

from ..recipe import Recipe
from .base import Intervention, Loop, Patient
from .fitting import with_options, without_rnn

if TYPE_CHECKING:
    from torch import nn


class LayerNorm(Intervention):
    """LayerNorm on what enters and what leaves the RNN.

    In a loop of the user's own only on what enters each recurrent layer, without weights: what leaves one is what a
    recorder replays it from. The norm of the paper is inside the cell, which needs a loop over frames.
    """

    name: ClassVar[str] = "layer-norm"
    does: ClassVar[str] = "a LayerNorm before and after the RNN, so that its units do not run into their bounds"
    source: ClassVar[str] = "after Ba et al. 2016 (1607.06450)"
    treats: ClassVar[tuple[str, ...]] = ("saturation-plateau", "dead-units", "exploding-gradients")
    setting: ClassVar[str] = "model.options.layer_norm=true"

    def why_not(self, recipe: Recipe, patient: Patient) -> str | None:
        """There is no RNN, or a norm already."""
        has_one = recipe.model.options.get("layer_norm")
        return without_rnn(recipe) or ("there is one already" if has_one else None)

    def recipe(self, recipe: Recipe, patient: Patient) -> Recipe:
        """With the option `layer_norm`."""
        return with_options(recipe, layer_norm=True)

    def on_model(self, model: "nn.Module", loop: Loop) -> None:
        """Normalise what enters each RNN."""
        from ...diagnostics.parts import recurrent_modules

        for _, rnn in recurrent_modules(model):
            rnn.register_forward_pre_hook(_normalise)


def _normalise(rnn: Any, args: tuple[Any, ...]) -> tuple[Any, ...]:
    from torch.nn.functional import layer_norm
    from torch.nn.utils.rnn import PackedSequence

    given, *rest = args
    if isinstance(given, PackedSequence):
        return (given._replace(data=layer_norm(given.data, given.data.shape[-1:])), *rest)
    return (layer_norm(given, given.shape[-1:]), *rest)
