"""Interventions, one a file: changes of a training that may bring a collapsed network back."""

from collections.abc import Iterable
from importlib.metadata import entry_points

from ...diagnostics.errors import FlatlineError, unknown
from .base import Intervention, Loop, Patient
from .fix_objective import FixObjective

INTERVENTIONS: tuple[Intervention, ...] = (FixObjective(),)
"""In the order in which they are tried where a diagnosis names none."""

GROUP = "flatline.interventions"
"""Entry points of users' own: each a subclass of `Intervention`."""


class InterventionError(FlatlineError):
    """An intervention of a user's own that cannot be used."""


def interventions() -> tuple[Intervention, ...]:
    """Flatline's, then users' own from the entry points of `GROUP`.

    Raises InterventionError for one that cannot be loaded, or has a name that is taken.
    """
    found = list(INTERVENTIONS)
    for entry in entry_points(group=GROUP):
        try:
            own = entry.load()()
        except Exception as error:
            raise InterventionError(
                f"the intervention {entry.name} ({entry.value}) cannot be loaded ({error}); mend it, or uninstall it"
            ) from error
        if not isinstance(own, Intervention) or own.name in {one.name for one in found}:
            why = "its name is taken" if isinstance(own, Intervention) else "it is no flatline Intervention"
            raise InterventionError(f"the intervention {entry.name} ({entry.value}) cannot be used: {why}; rename it")
        found.append(own)
    return tuple(found)


def named(names: Iterable[str]) -> tuple[Intervention, ...]:
    """Those of these names, in their order.

    Raises UnknownNameError listing the known ones.
    """
    known = {one.name: one for one in interventions()}
    return tuple(known[name] if name in known else _unknown(name, known) for name in names)


def _unknown(name: str, known: Iterable[str]) -> Intervention:
    raise unknown("intervention", name, list(known), "revive")


__all__ = ["INTERVENTIONS", "Intervention", "InterventionError", "Loop", "Patient", "interventions", "named"]
