from typing import TYPE_CHECKING, ClassVar

from ..recipe import Recipe
from .base import Intervention, Loop, Patient
from .rates import nearest_step, scale_groups, scaled, too_fast

if TYPE_CHECKING:
    from torch.optim import Optimizer


class LowerRate(Intervention):
    """A learning rate 3, 10, 30 or 100 times lower: what brings the steps nearest to a thousandth of the weights.

    By the largest steps that lasted (`rates.too_fast`); threefold where these were no larger than that already, tenfold
    where nothing was recorded of them.
    """

    name: ClassVar[str] = "lower-rate"
    does: ClassVar[str] = "a lower learning rate: 3, 10, 30 or 100 times, by how large the steps were"
    source: ClassVar[str] = "steps of 1e-3 of the weights: CS231n; TheDeepChecker's 1e-4 to 1e-1"
    treats: ClassVar[tuple[str, ...]] = ("learning-rate-too-high", "exploding-gradients", "non-finite")

    def recipe(self, recipe: Recipe, patient: Patient) -> Recipe:
        """With every rate of the schedule lower."""
        return scaled(recipe, self._factor(patient))

    def on_optimizer(self, optimizer: "Optimizer", loop: Loop, patient: Patient) -> None:
        """Lower the rate of every group."""
        scale_groups(optimizer, self._factor(patient))

    def _factor(self, patient: Patient) -> float:
        return 1 / nearest_step(too_fast(patient.signals))
