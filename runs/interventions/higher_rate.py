from typing import TYPE_CHECKING, ClassVar

from ..recipe import Recipe
from .base import Intervention, Loop, Patient
from .rates import nearest_step, scale_groups, scaled, too_slow

if TYPE_CHECKING:
    from torch.optim import Optimizer


class HigherRate(Intervention):
    """A learning rate 3, 10, 30 or 100 times higher: what brings the steps nearest to a thousandth of the weights.

    By the steps in the middle of the run (`rates.too_slow`); threefold where these were as large as that already,
    tenfold where nothing was recorded of them.
    """

    name: ClassVar[str] = "higher-rate"
    does: ClassVar[str] = "a higher learning rate: 3, 10, 30 or 100 times, by how small the steps were"
    source: ClassVar[str] = "steps of 1e-3 of the weights: CS231n; TheDeepChecker's 1e-4 to 1e-1"
    treats: ClassVar[tuple[str, ...]] = ("learning-rate-too-low",)

    def recipe(self, recipe: Recipe, patient: Patient) -> Recipe:
        """With every rate of the schedule higher."""
        return scaled(recipe, self._factor(patient))

    def on_optimizer(self, optimizer: "Optimizer", loop: Loop, patient: Patient) -> None:
        """Raise the rate of every group."""
        scale_groups(optimizer, self._factor(patient))

    def _factor(self, patient: Patient) -> float:
        return nearest_step(too_slow(patient.signals))
