from typing import ClassVar

from ..recipe import Recipe
from .base import Intervention, Patient


class Dropout(Intervention):
    """Against learning by heart; for a person to do, since it takes another network or more clips."""

    name: ClassVar[str] = "dropout"
    does: ClassVar[str] = "dropout, more clips, or a smaller network"
    source: ClassVar[str] = "Srivastava et al. 2014 (JMLR 15)"

    def why_not(self, recipe: Recipe, patient: Patient) -> str | None:
        """Always: it is for a person to do."""
        return "no recipe adds dropout or clips; change the network or the data"
