from typing import ClassVar

from ..recipe import Recipe
from .base import Intervention, Patient


class FixData(Intervention):
    """Inputs that differ; for a person to do."""

    name: ClassVar[str] = "fix-data"
    does: ClassVar[str] = "mend what the loader gives"
    source: ClassVar[str] = "ours: docs/diagnosis.md, label-problem"

    def why_not(self, recipe: Recipe, patient: Patient) -> str | None:
        """Always: it is for a person to do."""
        return "no recipe mends what the loader gives; look at it"
