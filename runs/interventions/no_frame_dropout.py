from typing import TYPE_CHECKING, ClassVar

from ..recipe import Recipe
from .base import Intervention, Loop, Patient
from .fitting import with_options

if TYPE_CHECKING:
    from torch import nn

RATE = 0.2
"""What `simple-cgrnn` has where a recipe does not say."""


class NoFrameDropout(Intervention):
    """No dropout of whole frames.

    The seed put `Dropout2d` on (clip, frame, feature), where the channel is the frame: it dropped whole frames, which
    cost a third of the score.
    """

    name: ClassVar[str] = "no-frame-dropout"
    does: ClassVar[str] = "no dropout of whole frames"
    source: ClassVar[str] = "ours: docs/recipes.md, the simple network"
    treats: ClassVar[tuple[str, ...]] = ("constant-predictor",)
    setting: ClassVar[str] = "model.options.frame_dropout=0"

    def why_not(self, recipe: Recipe, patient: Patient) -> str | None:
        """There is none."""
        is_simple = recipe.model.architecture == "simple-cgrnn"
        return None if is_simple and recipe.model.options.get("frame_dropout", RATE) else "no frames are dropped"

    def recipe(self, recipe: Recipe, patient: Patient) -> Recipe:
        """Without it."""
        return with_options(recipe, frame_dropout=0)

    def on_model(self, model: "nn.Module", loop: Loop) -> None:
        """Turn off each dropout of channels."""
        from torch import nn

        for module in model.modules():
            if isinstance(module, (nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.FeatureAlphaDropout)):
                module.p = 0.0
