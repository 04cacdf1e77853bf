from dataclasses import replace
from typing import ClassVar

from ..recipe import Recipe
from .base import Intervention, Patient
from .fitting import HAS_AXIS, with_head


class TimeSoftmax(Intervention):
    """Frames compete for a class, and not classes for a frame.

    A head with a softmax over classes gets one over time; one that only averages frames becomes `localisation`. Either
    gives what the old one gave.
    """

    name: ClassVar[str] = "time-softmax"
    does: ClassVar[str] = "weigh frames by a softmax over time, where each class has frames of its own"
    source: ClassVar[str] = "Kong et al. 2019 (PANNs, 1912.10211)"
    treats: ClassVar[tuple[str, ...]] = ("attention-collapse",)

    def why_not(self, recipe: Recipe, patient: Patient) -> str | None:
        """The softmax is over time already, or the head has one whose axis is given."""
        model = recipe.model
        if model.head == "scalar-attention":
            return "the head scalar-attention has the softmax of its paper, over classes"
        is_over_time = model.head in HAS_AXIS and model.head_options.get("axis") == "time"
        return "the softmax is over time already" if is_over_time else None

    def recipe(self, recipe: Recipe, patient: Patient) -> Recipe:
        """With the axis time."""
        model = recipe.model
        if model.head in HAS_AXIS:
            return replace(recipe, model=replace(model, head_options={**model.head_options, "axis": "time"}))
        return with_head(recipe, "localisation", axis="time")
