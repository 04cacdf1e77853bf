"""What a recorder is put on: the network inside its wrappers, the maps it announces, its optimisers."""

from collections.abc import Sequence
from typing import Any

from torch import nn
from torch.nn.parallel import DataParallel, DistributedDataParallel
from torch.optim import Optimizer

from .errors import AttachError
from .signals.weighting import KINDS


def unwrapped(model: nn.Module) -> nn.Module:
    """The network inside torch.compile's and DistributedDataParallel's wrappers, which put a prefix on every name."""
    while True:
        if isinstance(model, (DataParallel, DistributedDataParallel)):
            model = model.module
        elif isinstance(inner := getattr(model, "_orig_mod", None), nn.Module):
            model = inner
        else:
            return model


def announced_maps(model: nn.Module) -> dict[str, str]:
    """The maps that a model says it has: an `attention` that gives a kind by path.

    Any other `attention` (a module, settings) is no announcement.
    """
    announced = getattr(model, "attention", None)
    if not isinstance(announced, dict) or not all(kind in KINDS for kind in announced.values()):
        return {}
    return dict(announced)


def as_optimizers(given: Any) -> list[Optimizer]:
    """One optimiser or several as a list.

    Raises AttachError for none, or for something that is no optimiser.
    """
    optimizers = [given] if isinstance(given, Optimizer) else list(given) if isinstance(given, Sequence) else [given]
    for optimizer in optimizers:
        if not isinstance(optimizer, Optimizer):
            raise AttachError(
                f"optimizer is {type(optimizer).__name__}, not a torch.optim.Optimizer (Recorder); "
                "pass the one whose step() the loop calls, or a list of them"
            )
    if not optimizers:
        raise AttachError("optimizer is an empty list (Recorder); pass the one whose step() the loop calls")
    return optimizers
