"""From the device to the host: at once on a CPU; from a GPU many iterations in one copy that nobody waits for."""

import dataclasses
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from . import device

ROWS = 50
"""Iterations that are copied together, as many as a run log flushes; ours."""

SECONDS = 2.0
"""Time after which they are copied, however few they are; ours, the run log's."""


BYTES = 2**23
"""Bytes gathered on the device after which they are copied, however few iterations they are; ours, a quarter of the
32 MB that the recorder may take."""


class Readback:
    """Iterations whose values are on their way to the host, in order.

    What is given is any tree of dicts, lists, tuples and dataclasses; it comes back with numpy arrays for tensors. As
    long as no tensor in it is on a device it comes back at once. Otherwise iterations are gathered, copied by one
    asynchronous copy into pinned memory, and come back when that copy is seen to be over.
    """

    def __init__(self) -> None:
        self._gathered: list[Any] = []
        self._copies: list[_Copies] = []
        self._since, self._bytes = time.monotonic(), 0

    def put(self, tree: Any) -> list[Any]:
        """Take one iteration; returns those that have arrived by now, oldest first."""
        n_bytes = _device_bytes(tree)
        if not self._gathered and not self._copies and not n_bytes:
            return [on_host(tree)]
        if not self._gathered:
            self._since, self._bytes = time.monotonic(), 0
        self._gathered.append(tree)
        self._bytes += n_bytes
        if len(self._gathered) >= ROWS or self._bytes >= BYTES or time.monotonic() - self._since >= SECONDS:
            self._start()
        return self._arrived()

    def drain(self) -> list[Any]:
        """Wait for all that is on its way, and return it."""
        self._start()
        return self._arrived(wait=True)

    def _start(self) -> None:
        gathered, self._gathered = self._gathered, []  # gone even if there is no memory for a copy: told, not retried
        if gathered:
            self._copies.append(_Copies(gathered))

    def _arrived(self, wait: bool = False) -> list[Any]:
        trees: list[Any] = []
        while self._copies and (wait or self._copies[0].is_over()):
            trees += self._copies.pop(0).result()
        return trees


class _Copies:
    """Trees whose device tensors are being copied: one buffer and one copy for each device and type."""

    def __init__(self, trees: list[Any]) -> None:
        tensors: list[Tensor] = []
        self._trees = mapped(
            trees, lambda tensor: _Place(tensors, tensor) if device.is_on_device(tensor) else tensor.detach()
        )
        self._shapes = [tensor.shape for tensor in tensors]
        self._groups: dict[tuple[torch.device, torch.dtype], list[int]] = {}
        for index, tensor in enumerate(tensors):
            self._groups.setdefault((tensor.device, tensor.dtype), []).append(index)
        self._copies = {
            key: device.Copy(torch.cat([tensors[index].reshape(-1) for index in members]))
            for key, members in self._groups.items()
        }

    def is_over(self) -> bool:
        return all(copy.is_over() for copy in self._copies.values())

    def result(self) -> list[Any]:
        arrays: dict[int, np.ndarray] = {}
        for key, members in self._groups.items():
            sizes = [self._shapes[index].numel() for index in members]
            for index, part in zip(members, self._copies[key].result().split(sizes), strict=True):
                arrays[index] = _array(part.reshape(self._shapes[index]))
        return mapped(self._trees, _array, lambda place: arrays[place.index])


class _Place:
    """Stands for a tensor that is being copied."""

    def __init__(self, tensors: list[Tensor], tensor: Tensor) -> None:
        self.index = len(tensors)
        tensors.append(tensor.detach())


def on_host(tree: Any) -> Any:
    """The tree with numpy arrays for its tensors, all on the CPU."""
    return mapped(tree, _array)


def mapped(
    tree: Any, of_tensor: Callable[[Tensor], Any], of_place: Callable[[_Place], Any] = lambda place: place
) -> Any:
    """The same tree with something else for each tensor."""
    if isinstance(tree, Tensor):
        return of_tensor(tree)
    if isinstance(tree, _Place):
        return of_place(tree)
    if isinstance(tree, Mapping):
        return {key: mapped(value, of_tensor, of_place) for key, value in tree.items()}
    if isinstance(tree, (list, tuple)):
        return type(tree)([mapped(value, of_tensor, of_place) for value in tree])
    if dataclasses.is_dataclass(tree) and not isinstance(tree, type):
        fields = {field.name: getattr(tree, field.name) for field in dataclasses.fields(tree)}
        return dataclasses.replace(tree, **{name: mapped(value, of_tensor, of_place) for name, value in fields.items()})
    return tree


def _device_bytes(tree: Any) -> int:
    """Bytes of its tensors that lie on a device."""
    sizes: list[int] = []

    def look(tensor: Tensor) -> Tensor:
        if device.is_on_device(tensor):
            sizes.append(tensor.numel() * tensor.element_size())
        return tensor

    mapped(tree, look)
    return sum(sizes)


def _array(tensor: Tensor) -> np.ndarray:
    tensor = tensor.detach()
    return (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy()
