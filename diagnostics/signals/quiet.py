"""Hooks that change nothing: a fault in one is kept to be told later, and a copy of one does nothing."""

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import torch
from torch import nn


class Quiet:
    """A hook that returns nothing and raises nothing; `Faults` keeps what it met.

    In a model that is pickled or deep-copied while it is recorded, the copy's hook does nothing.
    """

    def __init__(self, hook: Callable[..., object], faults: "Faults") -> None:
        self._hook, self._faults = hook, faults

    def __call__(self, *args: Any, **kwargs: Any) -> None:
        """Call the hook."""
        try:
            self._hook(*args, **kwargs)
        except Exception as fault:
            self._faults.keep(fault)

    def __reduce__(self) -> tuple[Any, ...]:
        # Takes anything and does nothing, and is Python's own: the copy can be loaded where there is no Flatline.
        return getattr, (nullcontext(), "__exit__")


class Faults:
    """The first fault of some hooks, until it is raised where it can be told."""

    def __init__(self) -> None:
        self._first: Exception | None = None

    def __bool__(self) -> bool:
        return self._first is not None

    def keep(self, fault: Exception) -> None:
        """Keep it, if it is the first."""
        self._first = self._first or fault

    def raise_kept(self) -> None:
        """Raise and forget it."""
        fault, self._first = self._first, None
        if fault is not None:
            raise fault


def is_training_pass(module: nn.Module) -> bool:
    """Whether a forward pass is one that is learnt from: in training mode and with gradients on."""
    return module.training and torch.is_grad_enabled()


def is_recomputation() -> bool:
    """Whether a forward pass runs inside a backward pass, as activation checkpointing does it again."""
    return torch._C._current_graph_task_id() != -1
