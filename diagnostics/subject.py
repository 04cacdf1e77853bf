"""What a recorder is put on: the network inside its wrappers, the maps it announces, its optimisers."""

from collections.abc import Sequence
from typing import Any

import torch
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


def multihead_maps(model: nn.Module) -> dict[str, str]:
    """Every nn.MultiheadAttention by path: its weights are a map in each pass in which it gives them."""
    return {path: "weights" for path, module in model.named_modules() if isinstance(module, nn.MultiheadAttention)}


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


def is_writer() -> bool:
    """Whether this process records: the only one, or the first of those that train together."""
    distributed = torch.distributed
    return not (distributed.is_available() and distributed.is_initialized() and distributed.get_rank() != 0)


def loss_scale(scaler: Any) -> Any:
    """What a GradScaler multiplies the loss by: a number, or its own tensor, which is not read here."""
    if not can_skip(scaler):
        return 1.0
    scale = getattr(scaler, "_scale", None)  # get_scale() would wait for the device
    if isinstance(scale, torch.Tensor):
        return scale.detach().clone()
    return scaler.get_scale() if hasattr(scaler, "get_scale") else 1.0


def can_skip(scaler: Any) -> bool:
    """Whether an iteration without a step was skipped by the scaler; otherwise it is accumulation."""
    return scaler is not None and (not hasattr(scaler, "is_enabled") or bool(scaler.is_enabled()))
