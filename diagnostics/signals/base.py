import math
import re
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np
from torch import Tensor, nn
from torch.optim import Optimizer

Values = Mapping[str, Any]

Taken = Mapping[str, Any]
"""What a signal took of one iteration: tensors on their device, and whatever the host knew already."""


@dataclass(frozen=True)
class SignalInfo:
    """What one recorded quantity is: its column, unit and formula. `<rnn>` and `<path>` stand for a module's path."""

    name: str
    unit: str
    meaning: str


@dataclass(frozen=True)
class Batch:
    """One recorded iteration, on the CPU, as the signals see it.

    loss : as the caller passed it; NaN if it did not
    loss_kind : what the caller's criterion expects; None if it did not say
    output_kind : "logits" or "probabilities", what the caller called its outputs; None before the first
    outputs : (clip, class) float32 as the caller gave them; None if it gave none
    target : (clip, class) multi-hot bool; None if it gave none
    prior : (class,) share of training clips with each class so far; None before the first target
    unclipped_norm : of all gradients before clipping; NaN if the caller did not pass it
    n_clips : how many clips of the targets the gradient is the mean over, those of the other processes that train along
        taken to be as many; None is all of the target
    skipped : no optimiser stepped
    target_range : smallest and largest entry of a multi-hot target as it was passed
    shared : values that earlier signals of the same iteration found, by column
    """

    iteration: int
    loss_kind: str | None
    outputs: np.ndarray | None
    target: np.ndarray | None
    prior: np.ndarray | None
    unclipped_norm: float = float("nan")
    n_clips: int | None = None
    loss: float = float("nan")
    output_kind: str | None = None
    skipped: bool = False
    target_range: tuple[float, float] = (math.nan, math.nan)
    shared: dict[str, Any] = field(default_factory=dict)


class Signal:
    """One recorded quantity, or a few that are measured together.

    An iteration is measured in two steps, so that nothing waits for a GPU: `take` starts what needs the device and
    returns tensors that live there; `collect` gets them as numpy arrays, at once on a CPU, later on a GPU.
    """

    subject: ClassVar[str]
    """The name by which `Recorder(level=)` chooses it."""

    cost: ClassVar[str]
    """What an iteration of it costs, in words."""

    infos: ClassVar[tuple[SignalInfo, ...]] = ()

    @property
    def paths(self) -> Sequence[str]:
        """Modules that the columns are of, for infos whose names have a place for one."""
        return ()

    def columns(self) -> list[SignalInfo]:
        """`infos` with each module's path in its place."""
        return [
            replace(info, name=re.sub("<.*>", lambda _, path=path: path, info.name))
            for info in self.infos
            for path in (self.paths if "<" in info.name else ("",))
        ]

    def attach(self, model: nn.Module, optimizers: list[Optimizer], stack: ExitStack) -> None:
        """Put hooks on; whatever is put on is taken off by the stack. A hook raises nothing: `take` does."""

    def see(self, mask: Tensor | None) -> None:
        """Know that a batch has been passed, with its padding mask (clip, frame): one of those that a row pools."""

    def forget(self) -> None:
        """Drop what was seen and not taken."""

    def take(self) -> Taken:
        """What this iteration needs from the device; no value of a tensor is read here."""
        return {}

    def collect(self, batch: Batch, taken: Taken) -> Values:
        """An iteration's values by column: numbers, arrays, or maps. Not measurable is NaN or absent."""
        raise NotImplementedError

    def state(self) -> dict[str, Any]:
        """What the values to come depend on: tensors, numbers, and lists and dicts of them."""
        return {}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Go on where the signal was whose `state` it is; called once attached, before the first iteration."""

    def description(self) -> dict[str, Any]:
        """What run.json should know to read the columns."""
        return {}
