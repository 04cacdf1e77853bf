"""What a GradScaler does to a loop: it multiplies the loss, and leaves steps out."""

from typing import Any

from torch import Tensor


class LossScaling:
    """The GradScaler of a loop, or none.

    It tells a step that was left out from a batch that is accumulated, without reading anything from the device: only
    after a step is `update` called, which changes the scale's tensor in place. A scaler of another make, without that
    tensor, is taken to have left out every step that did not happen.
    """

    def __init__(self, scaler: Any) -> None:
        self._scaler = scaler
        self._updates = self._count()

    @property
    def is_on(self) -> bool:
        """Whether there is a scaler, and it is enabled."""
        scaler = self._scaler
        return scaler is not None and (not hasattr(scaler, "is_enabled") or bool(scaler.is_enabled()))

    def factor(self) -> Any:
        """What the loss is multiplied by: a number, or a copy of the scaler's own tensor, which is not read here."""
        if not self.is_on:
            return 1.0
        scale = getattr(self._scaler, "_scale", None)  # get_scale() would wait for the device
        if isinstance(scale, Tensor):
            return scale.detach().clone()
        return self._scaler.get_scale() if hasattr(self._scaler, "get_scale") else 1.0

    def left_out(self) -> bool:
        """Whether a step that did not happen since `begin` was left out by the scaler; if not, it is accumulation."""
        return self.is_on and (not hasattr(self._scaler, "_scale") or self._count() != self._updates)

    def begin(self) -> None:
        """A new iteration begins."""
        self._updates = self._count()

    def _count(self) -> int:
        """How often the scale was updated; the tensor is made when a loss is first scaled."""
        scale = getattr(self._scaler, "_scale", None)
        return scale._version if isinstance(scale, Tensor) else 0
