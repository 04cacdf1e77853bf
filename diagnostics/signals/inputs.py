from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence
from torch.optim import Optimizer

from .base import Batch, Signal, SignalInfo, Taken, Values
from .quiet import Faults, Quiet, is_recomputation, is_training_pass
from .sampling import every
from .spread import clip_spread

SAMPLED = 2**12
"""Values of the inputs that are looked at; ours: standard deviations are known to 1 %."""

CLIPS = 16
"""Evenly spaced clips that are looked at."""


class InputHealth(Signal):
    """Whether what the model is given varies, is finite, and of what scale it is.

    Of the first tensor it is called with, whose first dimension is taken for the clips; one of a single dimension, and
    a packed sequence, have no spread.
    """

    subject = "inputs"
    cost = "about 40 us, and one pass over the inputs"
    infos = (
        SignalInfo("input_spread", "the input's", "standard deviation between clips, mean over their values"),
        SignalInfo("input_scale", "the input's", "root mean square, silence and padding included"),
        SignalInfo("nonfinite_inputs", "0 or 1", "the inputs hold NaN or infinity"),
    )

    def __init__(self) -> None:
        self._measured: Tensor | None = None
        self._faults = Faults()

    def attach(self, model: nn.Module, optimizers: list[Optimizer], stack: ExitStack) -> None:
        """Hook the model's forward pass."""
        hook = model.register_forward_pre_hook(Quiet(self._look, self._faults), with_kwargs=True)
        stack.callback(hook.remove)

    def _look(self, model: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        if not is_training_pass(model) or (is_recomputation() and self._measured is not None):
            return
        given = next(_tensors((args, kwargs)), None)
        if given is not None and given.numel():
            with torch.no_grad():
                self._measured = _measure(given.detach())

    def see(self, mask: Tensor | None) -> None:
        """Tell the hook's fault."""
        self._faults.raise_kept()

    def forget(self) -> None:
        """Drop what was not taken."""
        self._measured = None

    def take(self) -> Taken:
        """(3,): spread, scale, whether a value is not finite."""
        measured, self._measured = self._measured, None
        return {} if measured is None else {"inputs": measured}

    def collect(self, batch: Batch, taken: Taken) -> Values:
        """By column."""
        if "inputs" not in taken:
            return {}
        return {info.name: float(value) for info, value in zip(self.infos, taken["inputs"], strict=True)}


def _measure(given: Tensor) -> Tensor:
    """(3,) of the inputs, whose first dimension is the clip."""
    clips = given[every(len(given), CLIPS)] if given.ndim > 1 else given.reshape(1, -1)
    values = clips.flatten(1)
    values = values[:, every(values.shape[1], SAMPLED // len(values))].float()
    is_finite = torch.isfinite(given.sum()) if given.is_floating_point() else torch.ones_like(values[0, 0]).bool()
    return torch.stack([clip_spread(values), values.square().mean().sqrt(), (~is_finite).float()])


def _tensors(given: Any) -> Iterator[Tensor]:
    """The tensors of what a model is called with, in order, however deep; of a packed sequence its values."""
    if isinstance(given, PackedSequence):
        yield given.data.reshape(1, -1)  # whose rows are frames and not clips
    elif isinstance(given, Tensor):
        yield given
    elif isinstance(given, Mapping):
        yield from (tensor for value in given.values() for tensor in _tensors(value))
    elif isinstance(given, (tuple, list)):
        yield from (tensor for value in given for tensor in _tensors(value))
