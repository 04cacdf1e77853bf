from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from ..cadence import Cadence
from ..parts import CELLS, recurrent_modules
from .base import Batch, Signal, SignalInfo, Taken, Values
from .quiet import Faults, Quiet
from .rnn_watch import CellWatch, RnnWatch
from .stepping import before_step

REPLAY_SHARE = 0.005
"""Of the training time that replays may take; ours, from what the standard level may cost in all (3 %)."""


class HiddenGradients(Signal):
    """How much of the loss's gradient reaches each frame's hidden state: alive, or vanished through time.

    The direct term is what a hook on the RNN's output sees: the gradient by way of what is computed from that frame's
    state outside the RNN. The total has the RNN's own later frames too, which alone shows whether the loss can teach
    it anything over time; a fused RNN hides it, so each layer is replayed on a few clips and the adjoint run backwards
    (`through_time`), at the first iteration and then as often as the time allows. Cells (`nn.GRUCell` ...) show their
    total to a hook, and no direct term.

    L2 norm over the units of at most `CLIPS` clips, by frame. Of the last batch before the step of the optimiser that
    holds the RNN, not scaled by a GradScaler. `<rnn>` is the last layer, both directions together; each layer and
    direction has its own total under `<rnn>.l0`, `<rnn>.l0_reverse`, ... Where an RNN drops units between its layers
    the masks are drawn again on a CPU; on a GPU they cannot be known, and its totals are NaN. Gradients that are to be
    differentiated again (`create_graph=True`) do not count; an RNN with a forward pass of its own is not recorded.

    share : of the training time that replays may take
    scale : gives the factor that the loss was multiplied by
    """

    subject = "hidden_gradients"
    cost = "a tensor hook; replays take at most .5 % of the time (deep: 4 %), but for the first"
    infos = (
        SignalInfo("hidden_gradient_direct.<rnn>", "L2, by frame bin", "dL/dh_t by way of that frame's output alone"),
        SignalInfo(
            "hidden_gradient.<rnn>", "L2, by frame bin", "total dL/dh_t, recurrence included; NaN between replays"
        ),
    )

    def __init__(self, share: float = REPLAY_SHARE, scale: Callable[[], Any] = lambda: 1.0) -> None:
        self._cadence, self._scale = Cadence(share), scale
        self._watches: list[RnnWatch | CellWatch] = []
        self._faults = Faults()
        self._measured: dict[str, Tensor] = {}
        self._optimizers: list[Optimizer] = []

    @property
    def paths(self) -> Sequence[str]:
        """Of the recurrent modules."""
        return [watch.path for watch in self._watches]

    def attach(self, model: nn.Module, optimizers: list[Optimizer], stack: ExitStack) -> None:
        """Hook the recurrent modules' passes, and the optimisers' steps, before which the weights still stand."""
        for path, module in recurrent_modules(model):
            watch = (CellWatch if isinstance(module, CELLS) else RnnWatch)(path, module, self._faults)
            watch.clock = self._cadence.clock
            watch.attach(module, stack)
            self._watches.append(watch)
        if self._watches:
            self._optimizers = optimizers
            for optimizer in optimizers:
                before_step(optimizer, Quiet(self._measure, self._faults), stack)
        stack.callback(self._end)
        self._begin()

    def see(self, mask: Tensor | None) -> None:
        """A batch is over: the next pass begins anew."""
        for watch in self._watches:
            watch.is_over = True
        self._faults.raise_kept()  # here and not in `take`: one faulty RNN is no reason to lose the others

    def forget(self) -> None:
        """Drop what was not taken."""
        for watch in self._watches:
            watch.clear()
        self._measured = {}

    def take(self) -> Taken:
        """By column, (bin,)."""
        measured = self._measured
        self.forget()
        self._begin()
        return measured

    def state(self) -> dict[str, Any]:
        """What of the time that replays may take is spent."""
        return self._cadence.state() if self._watches else {}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """As it was: the first iteration has no replay of its own right."""
        if state:
            self._cadence.load_state(state)
            self._begin()

    def collect(self, batch: Batch, taken: Taken) -> Values:
        """By column; nothing where the optimiser skipped its step."""
        return {} if batch.skipped or batch.shared.get("skipped") else taken

    @torch.no_grad()
    def _measure(self, optimizer: Optimizer) -> None:
        begun = self._cadence.clock()
        scale, cost_s, replayed = self._scale(), 0.0, False
        for watch in self._stepped_by(optimizer):
            replayed, cost_s = replayed or watch.due, cost_s + watch.cost_s
            try:
                self._measured |= watch.measure(scale)
            except Exception as fault:
                self._faults.keep(fault)
        if replayed:
            self._cadence.spend(self._cadence.clock() - begun + cost_s)

    def _stepped_by(self, optimizer: Optimizer) -> list[RnnWatch | CellWatch]:
        """The RNNs that an optimiser holds, and those that none does."""
        if len(self._optimizers) == 1:
            return self._watches
        mine, others = _held([optimizer]), _held(self._optimizers)
        return [watch for watch in self._watches if watch.parameters & mine or not watch.parameters & others]

    def _begin(self) -> None:
        due = bool(self._watches) and self._cadence.is_due()
        for watch in self._watches:
            watch.due = due

    def _end(self) -> None:
        self.forget()
        self._watches, self._optimizers = [], []


def _held(optimizers: list[Optimizer]) -> set[int]:
    return {id(parameter) for each in optimizers for group in each.param_groups for parameter in group["params"]}
