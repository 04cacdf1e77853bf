"""Flatline: find out why a recurrent network stopped learning.

`Recorder` goes round a training loop, `Run` reads what it wrote, `figures` draws it. Everything is imported when it is
first asked for: reading a log and drawing it never import torch.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .dashboard import figures
    from .diagnostics.ablation import ablate
    from .diagnostics.check import check
    from .diagnostics.errors import FlatlineError
    from .diagnostics.lwlrap import lrap, lwlrap, per_class_lwlrap
    from .runs.diagnosing import diagnose
    from .runs.recording import Recorder
    from .runs.revive.own_loop import InterventionContext, Switch
    from .runs.revive.reviving import revive
    from .runs.run import Run

__version__ = "0.1.0"

__all__ = [
    "FlatlineError",
    "InterventionContext",
    "Recorder",
    "Run",
    "Switch",
    "ablate",
    "check",
    "diagnose",
    "figures",
    "lrap",
    "lwlrap",
    "per_class_lwlrap",
    "revive",
]

_PLACES = {
    "FlatlineError": "diagnostics.errors",
    "InterventionContext": "runs.revive.own_loop",
    "Recorder": "runs.recording",
    "Run": "runs.run",
    "Switch": "runs.revive.own_loop",
    "ablate": "diagnostics.ablation",
    "check": "diagnostics.check",
    "diagnose": "runs.diagnosing",
    "lrap": "diagnostics.lwlrap",
    "lwlrap": "diagnostics.lwlrap",
    "per_class_lwlrap": "diagnostics.lwlrap",
    "revive": "runs.revive.reviving",
}


def __getattr__(name: str) -> Any:
    if name == "figures":
        return importlib.import_module(".dashboard.figures", __name__)
    if name not in _PLACES:
        raise AttributeError(f"module 'flatline' has no attribute {name!r}; it has {', '.join(__all__)}")
    return getattr(importlib.import_module(f".{_PLACES[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
