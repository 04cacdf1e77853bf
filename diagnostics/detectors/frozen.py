import warnings
from collections.abc import Sequence

import numpy as np

from ..findings import Undetermined
from ..stretches import Stretch, sustained
from ..view import View
from .base import Found, found

KIND = "frozen-parameters"

MEANT = ("other",)
"""Parts that are often frozen on purpose (an embedding); the others are not, without somebody saying so."""


def detect(view: View) -> Found:
    """Modules none of whose parameters gets a gradient other than zero, or that no optimiser moves though they have
    one.

    A warning while the rest of the network learns: a part of it is dead. Critical where nothing is learned.
    """
    norms = view.columns("gradient_norm")
    if norms is None:
        yield Undetermined(KIND, "no gradient norms were recorded: no step of the optimiser was seen")
        return
    still, unmoved = np.isnan(norms) | (norms == 0), _unmoved(view, norms)
    stretches = {}
    for module, places in modules(view.signals.parameters).items():
        without, unheld = still[:, places].all(axis=1), (still | unmoved)[:, places].all(axis=1)
        for variant, holds in (("no-gradient", without), ("unheld", unheld)):
            if (stretch := sustained(view.iterations, holds, share=1.0)) is not None:
                stretches[module] = (variant, stretch, places)
                break
    if not stretches:
        return
    everything = len(stretches) == len(modules(view.signals.parameters))
    counted = {name: value for name, value in stretches.items() if value[1].is_active and not _is_meant(view, value)}
    module, (variant, stretch, _) = min((counted or stretches).items(), key=lambda item: item[1][1].first)
    measured = {"modules": float(len(counted)), "of_modules": float(len(modules(view.signals.parameters)))}
    severity = "info" if not counted else "warning" if view.has_learned else "critical"
    variant = "all" if everything else variant
    yield found(KIND, severity, stretch, {**measured, **view.standing()}, variant=variant, where=module)


def modules(parameters: Sequence[str]) -> dict[str, list[int]]:
    """Places of the parameters of each module."""
    found_: dict[str, list[int]] = {}
    for place, name in enumerate(parameters):
        found_.setdefault(name.rpartition(".")[0], []).append(place)
    return found_


def _unmoved(view: View, norms: np.ndarray) -> np.ndarray:
    """(row, parameter) whether it has a gradient and the step did not change it."""
    ratios = view.columns("update_ratio")
    if ratios is None:
        return np.zeros(norms.shape, dtype=bool)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        moves = np.nanmax(ratios, axis=1, keepdims=True) > 0
    return (ratios == 0) & moves  # where nothing moves at all, the rate is at fault


def _is_meant(view: View, value: tuple[str, Stretch, list[int]]) -> bool:
    parts = {view.signals.parts.get(view.signals.parameters[place], "other") for place in value[2]}
    return parts <= set(MEANT) and value[1].first <= view.iterations[0]
