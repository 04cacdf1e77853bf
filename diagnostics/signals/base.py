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

    loss_kind : what the caller's criterion expects; None if it did not say
    outputs : (clip, class) float32 as the caller gave them; None if it gave none
    target : (clip, class) multi-hot bool; None if it gave none
    prior : (class,) share of training clips with each class so far; None before the first target
    unclipped_norm : of all gradients before clipping; NaN if the caller did not pass it
    n_clips : how many clips of the target the loss counts; None is all of them
    shared : values that earlier signals of the same iteration found, by column
    """

    iteration: int
    loss_kind: str | None
    outputs: np.ndarray | None
    target: np.ndarray | None
    prior: np.ndarray | None
    unclipped_norm: float = float("nan")
    n_clips: int | None = None
    shared: dict[str, Any] = field(default_factory=dict)


class Signal(Protocol):
    """One recorded quantity, or a few that are measured together."""

    @property
    def infos(self) -> tuple[SignalInfo, ...]:
        """What it records."""
        ...

    def attach(self, model: nn.Module, optimizers: list[Optimizer], stack: ExitStack) -> None:
        """Put hooks on; whatever is put on is taken off by the stack. A hook raises nothing: `collect` does."""

    def collect(self, batch: Batch) -> Values:
        """An iteration's values by column: numbers, arrays, or maps. Not measurable is NaN."""
        ...
