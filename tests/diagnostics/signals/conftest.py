"""What several signals are held to."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

OPERATORS = ("_local_scalar_dense", "nonzero", "is_nonzero", "masked_select", "unique")
METHODS = ("item", "tolist", "numpy", "cpu", "__float__", "__bool__")


class NoReading(TorchDispatchMode):
    """Refuses to read a floating-point tensor's values on the host; a packed sequence's lengths are there already."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func.overloadpacket.__name__ in OPERATORS and args[0].is_floating_point():
            raise RuntimeError(f"{func} waits for the device")
        return func(*args, **(kwargs or {}))


@pytest.fixture
def no_reading(monkeypatch):
    """A block in which whatever would wait for a device raises."""

    def refuse(tensor, *args, **kwargs):
        raise RuntimeError("waits for the device")

    @contextmanager
    def block() -> Iterator[None]:
        with monkeypatch.context() as patch:
            for name in METHODS:
                patch.setattr(torch.Tensor, name, refuse)
            with NoReading():
                yield

    return block
