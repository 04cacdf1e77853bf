"""What each intervention is, in one line, and what of a recipe it changes where one setting does it."""

from collections.abc import Mapping
from dataclasses import dataclass

from ..runs.interventions import INTERVENTIONS


@dataclass(frozen=True)
class Remedy:
    """One intervention. setting : as `flatline train RECIPE --set` takes it; empty where it is no key of a recipe."""

    does: str
    setting: str = ""


REMEDIES: Mapping[str, Remedy] = {one.name: Remedy(one.does, one.setting) for one in INTERVENTIONS}
"""By name, as findings name them."""
