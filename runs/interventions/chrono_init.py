from typing import TYPE_CHECKING, ClassVar

from ..recipe import Recipe
from .base import Intervention, Loop, Patient
from .inits import why_no_init, with_init

if TYPE_CHECKING:
    from torch import nn


class ChronoInit(Intervention):
    """Gate biases that begin with memories from one frame to a clip's length; for GRUs and LSTMs."""

    name: ClassVar[str] = "chrono-init"
    does: ClassVar[str] = "gate biases that begin with a long memory (chrono initialisation)"
    source: ClassVar[str] = "Tallec and Ollivier 2018 (1804.11188)"
    treats: ClassVar[tuple[str, ...]] = ("vanishing-through-time",)
    setting: ClassVar[str] = "init=chrono"

    def why_not(self, recipe: Recipe, patient: Patient) -> str | None:
        """There is no RNN, or it begins so already."""
        return why_no_init(recipe, "chrono")

    def recipe(self, recipe: Recipe, patient: Patient) -> Recipe:
        """With gates that remember."""
        return with_init(recipe, "chrono")

    def on_model(self, model: "nn.Module", loop: Loop) -> None:
        """Draw the gates' biases; nothing where the loop did not say how long a clip is."""
        from ...models.inits import chrono_init

        if loop.n_frames is not None:
            chrono_init(model, loop.n_frames)
