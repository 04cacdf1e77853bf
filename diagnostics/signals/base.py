from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from torch import nn
from torch.optim import Optimizer

Values = Mapping[str, Any]


@dataclass(frozen=True)
class SignalInfo:
    """What one recorded quantity is: its column, unit and formula."""

    name: str
    unit: str
    meaning: str


@dataclass(frozen=True)
class Batch:
    """One recorded iteration, on the CPU, as the signals see it.

    outputs : (clip, class) float32 as the caller gave them; None if it gave none
    target : (clip, class) multi-hot bool; None if it gave none
    mask : (clip, frame) bool; None means no padding
    prior : (class,) share of training clips with each class so far; NaN before the first target
    stepped : whether an optimiser stepped
    shared : values that earlier signals of this iteration found, by column
    """

    iteration: int
    loss_kind: str | None
    outputs: np.ndarray | None
    target: np.ndarray | None
    mask: np.ndarray | None
    prior: np.ndarray | None
    stepped: bool
    shared: dict[str, Any] = field(default_factory=dict)


class Signal(Protocol):
    """One recorded quantity, or a few that are measured together."""

    infos: tuple[SignalInfo, ...]

    def attach(self, model: nn.Module, optimizers: list[Optimizer], stack: ExitStack) -> None:
        """Put hooks on; whatever is put on is taken off by the stack."""

    def collect(self, batch: Batch) -> Values:
        """This iteration's values by column: numbers, arrays, or maps. Not measurable is NaN."""
        ...
