"""What lies on a device, and copies of it to the host that nobody waits for."""

from typing import Any

import torch
from torch import Tensor


def is_on_device(value: Any) -> bool:
    """Whether reading it would wait for a GPU: the one place that says so."""
    return isinstance(value, Tensor) and value.device.type != "cpu"


class Copy:
    """A tensor on its way to the host; from a CUDA device nobody waits for it, from others it is there at once."""

    def __init__(self, flat: Tensor) -> None:
        is_cuda = flat.device.type == "cuda"
        # Elsewhere a copy that does not wait cannot be asked whether it is over.
        self._host = torch.empty(flat.shape, dtype=flat.dtype, pin_memory=is_cuda).copy_(flat, non_blocking=is_cuda)
        self._event = _recorded(flat.device) if is_cuda else None

    def is_over(self) -> bool:
        """Whether it has arrived."""
        return self._event is None or self._event.query()

    def result(self) -> Tensor:
        """Wait for it; what comes back is in ordinary memory, for whoever keeps a row should not keep pinned memory."""
        if self._event is None:
            return self._host
        self._event.synchronize()
        return self._host.clone()


def _recorded(device: torch.device) -> Any:
    event = torch.cuda.Event()
    event.record(torch.cuda.current_stream(device))
    return event
