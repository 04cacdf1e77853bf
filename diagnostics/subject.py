"""What a recorder is put on: the network inside its wrappers, the maps it announces, its optimisers."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn
from torch.nn.parallel import DataParallel, DistributedDataParallel
from torch.optim import Optimizer

from .errors import AttachError
from .signals.weighting import KINDS

SILENT = (
    (nn.TransformerEncoderLayer, ("forward", "_sa_block")),
    (nn.TransformerDecoderLayer, ("forward", "_sa_block", "_mha_block")),
)
"""Layers that call their attention with need_weights=False in these methods, if a subclass does not change one."""


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
    """Every nn.MultiheadAttention by path: its weights are a map in each pass in which it gives them.

    PyTorch's own Transformer layers never ask for weights, and a hook within one would cost it its fast path in
    evaluation.
    """
    silent = [path for path, module in model.named_modules() if _asks_for_no_weights(module)]
    return {
        path: "weights"
        for path, module in model.named_modules()
        if isinstance(module, nn.MultiheadAttention) and path.rpartition(".")[0] not in silent
    }


def _asks_for_no_weights(module: nn.Module) -> bool:
    return any(
        isinstance(module, kind) and all(getattr(type(module), name) is getattr(kind, name) for name in blocks)
        for kind, blocks in SILENT
    )


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
    return not _is_distributed() or torch.distributed.get_rank() == 0


def n_processes() -> int:
    """How many processes train together; each passes its own share of the batch."""
    return torch.distributed.get_world_size() if _is_distributed() else 1


def _is_distributed() -> bool:
    return torch.distributed.is_available() and torch.distributed.is_initialized()
