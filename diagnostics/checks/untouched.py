"""A model that is run, nudged and differentiated, and afterwards is what it was, bit by bit."""

import copy
import random
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, nn

MODE = ("training",)
CONTAINERS = (list, dict, set, OrderedDict, deque)


class Untouched:
    """Puts modules back: weights, buffers, gradients, modes, attributes, and the random states of the process.

    Attributes are put back as objects, lists, dicts and sets by what they held, tensors by their numbers; what lies
    deeper, or outside the modules, is not looked at.
    """

    def __init__(self, modules: Iterable[nn.Module]) -> None:
        inside = {id(one): one for module in modules for one in module.modules()}
        self._dicts = [(one.__dict__, dict(one.__dict__)) for one in inside.values()]
        held = [value for _, kept in self._dicts for value in kept.values()]
        containers = [value for value in held if type(value) in CONTAINERS]
        self._containers = [(value, copy.copy(value)) for value in containers]
        own = [tensor for one in inside.values() for tensor in (*one.parameters(False), *one.buffers(False))]
        reached = [*own, *held, *(inner for value in containers for inner in _values(value))]
        tensors = {id(value): value for value in reached if isinstance(value, Tensor) and not value.is_meta}
        self._tensors = [(tensor, tensor.detach().clone()) for tensor in tensors.values()]
        self._gradients = [(tensor, tensor.grad) for tensor in tensors.values() if tensor.is_leaf]
        self._random: list[Callable[[], Any]] = []

    def __enter__(self) -> Self:
        numbers, legacy, own = torch.get_rng_state(), np.random.get_state(), random.getstate()  # noqa: NPY002
        self._random = [
            lambda: torch.set_rng_state(numbers),
            lambda: np.random.set_state(legacy),  # noqa: NPY002
            lambda: random.setstate(own),
        ]
        if torch.cuda.is_available() and torch.cuda.is_initialized():
            devices = torch.cuda.get_rng_state_all()
            self._random.append(lambda: torch.cuda.set_rng_state_all(devices))
        for tensor, _ in self._gradients:
            tensor.grad = None
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, traceback: TracebackType | None) -> None:
        self.put_back()
        for attributes, kept in self._dicts:
            attributes.update({name: kept[name] for name in MODE if name in kept})
        for tensor, gradient in self._gradients:
            tensor.grad = gradient
        for put_back_random in self._random:
            put_back_random()

    def put_back(self) -> None:
        """Modules as they were but for their modes, before the next look at the same model."""
        for attributes, kept in self._dicts:
            mode = {name: attributes[name] for name in MODE if name in attributes}
            attributes.clear()
            attributes.update({**kept, **mode})
        for value, kept in self._containers:
            _refill(value, kept)
        for tensor, was in self._tensors:
            tensor.data.copy_(was)  # by way of .data: autograd's version counter stays too


def _values(container: Any) -> Iterable[Any]:
    return container.values() if isinstance(container, dict) else container


def _refill(container: Any, kept: Any) -> None:
    container.clear()
    (container.update if isinstance(container, dict | set) else container.extend)(kept)
