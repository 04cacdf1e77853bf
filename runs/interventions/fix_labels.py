from typing import ClassVar

from ..recipe import Recipe
from .base import Intervention, Patient


class FixLabels(Intervention):
    """Labels that belong to their clips; for a person to do."""

    name: ClassVar[str] = "fix-labels"
    does: ClassVar[str] = "mend how labels are read and put together with their clips"
    source: ClassVar[str] = "ours: docs/diagnosis.md, label-problem"

    def why_not(self, recipe: Recipe, patient: Patient) -> str | None:
        """Always: it is for a person to do."""
        return "no recipe mends labels; look at how they are read"
