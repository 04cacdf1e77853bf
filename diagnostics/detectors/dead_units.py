import numpy as np

from ..findings import Undetermined
from ..stretches import sustained
from ..view import View
from .base import Found, found, newest

KIND = "dead-units"

DEAD = 0.95
"""Share of a module's activations that are 0, or at a bound, from which it says nothing any more; ours: AutoTrainer
calls a ReLU layer dying above .7, which healthy narrow layers reach."""


def detect(view: View) -> Found:
    """Modules whose activations are nearly all 0, or nearly all at a bound.

    RNNs and attention have detectors of their own.
    """
    signs = {"zero": view.paths("zero_share"), "bound": view.paths("activation_saturation")}
    if not any(signs.values()):
        yield Undetermined(KIND, "no activations were recorded; level deep has them, or activations=[...]")
        return
    columns = {"zero": "zero_share", "bound": "activation_saturation"}
    worst = None
    parts = view.signals.parts
    of_attention = {name.rpartition(".")[0] for name in parts if parts[name] == "attention"}
    of_attention |= set(view.info.get("maps") or ())
    for variant, paths in signs.items():
        for path in paths:
            share = view.scalar(f"{columns[variant]}.{path}")
            if share is None or path in view.rnns or path in of_attention:
                continue
            stretch = sustained(view.iterations, share > DEAD, np.isfinite(share))
            if stretch is None:
                continue
            finding = found(
                KIND,
                view.severity(),
                stretch,
                {"share": newest(share), **view.standing()},
                variant=variant,
                where=path,
            )
            if worst is None or (not finding.is_active, finding.onset) < (not worst.is_active, worst.onset):
                worst = finding
    if worst is not None:
        yield worst
