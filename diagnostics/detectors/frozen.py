from collections.abc import Sequence

import numpy as np

from ..findings import Severity, Undetermined
from ..stretches import Stretch, sustained
from ..view import View
from .base import Found, found

KIND = "frozen-parameters"

MEANT = frozenset({"other", "conv"})
"""Parts that are often frozen on purpose (an embedding, a pre-trained encoder); an RNN, a head or attention are not."""


def detect(view: View) -> Found:
    """Modules none of whose parameters has a gradient, or that no optimiser moves though they have one.

    Formula: in every row of a stretch the norm of each of its parameters is not recorded, or its update ratio is 0
    while others move. A gradient of exactly 0 is `gradient-death`. A warning while the rest of the network learns: a
    part of it is dead. Critical where nothing is learned. Where it was asked for (requires_grad=False from the start)
    worth knowing, and a warning for an RNN, a head or attention that still has the weights PyTorch draws.
    """
    norms = view.gradient_norms
    if norms is None:
        yield Undetermined(KIND, "no gradient norms were recorded: no step of the optimiser was seen")
        return
    parameters = view.signals.parameters
    lost = view.scalar("nonfinite_gradients")  # a gradient that is NaN is there
    is_there = np.zeros(len(norms), dtype=bool) if lost is None else lost > 0
    without, unmoved = np.isnan(norms) & ~is_there[:, None], _unmoved(view, norms)
    still: dict[str, tuple[str, Stretch]] = {}
    groups = modules(parameters)
    for module, places in groups.items():
        for variant, holds in (("no-gradient", without), ("unheld", without | unmoved)):
            if (stretch := sustained(view.iterations, np.asarray(holds[:, places].all(axis=1)), share=1.0)) is not None:
                still[module] = variant, stretch
                break
    if not still:
        return
    asked: set[str] = set(view.info.get("frozen") or ())
    meant = {module for module in still if _is_meant(view, [parameters[place] for place in groups[module]], asked)}
    counted = {module: of for module, of in still.items() if of[1].is_active and module not in meant}
    module, (variant, stretch) = min((counted or still).items(), key=lambda item: item[1][1].first)
    severity: Severity = "info" if not counted else view.severity()
    if counted and all(asked.issuperset([parameters[place] for place in groups[name]]) for name in counted):
        severity = "warning"  # somebody asked for it; that it was at its random weights is what is odd
    if len(counted) == len(groups):
        variant, severity = "all", "critical"
    measured = {"modules": float(len(counted or still)), "of_modules": float(len(groups)), **view.standing()}
    yield found(KIND, severity, stretch, measured, variant=variant, where=module)


def modules(parameters: Sequence[str]) -> dict[str, list[int]]:
    """Places of the parameters of each module."""
    found_: dict[str, list[int]] = {}
    for place, name in enumerate(parameters):
        found_.setdefault(name.rpartition(".")[0], []).append(place)
    return found_


def _unmoved(view: View, norms: np.ndarray) -> np.ndarray:
    """(row, parameter) whether it has a gradient and the step did not change it, while it changed others."""
    ratios = view.columns("update_ratio")
    if ratios is None:
        return np.zeros(norms.shape, dtype=bool)
    moves = np.nanmax(ratios, axis=1, keepdims=True) > 0
    return (ratios == 0) & moves & (norms > 0)


def _is_meant(view: View, names: Sequence[str], asked: set[str]) -> bool:
    if not asked.issuperset(names):
        return False
    random = set(view.info.get("frozen_at_random", asked))
    return {view.signals.parts.get(name, "other") for name in names} <= MEANT or not random & set(names)
