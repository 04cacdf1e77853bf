"""Recurrent modules under watch: their passes since the last row, and the gradients by frame that come back to them."""

import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import AttachError
from ..through_time import total_hidden_gradients
from ..through_time.frames import Frames
from .quiet import Faults, Quiet, is_training_pass
from .rnn_pass import CLIPS, RnnPass, added, begin, draws_masks, full_precision, hooked, is_plain
from .sampling import every

BINS = 64
"""Frame bins of a hidden gradient; longer clips are averaged."""

FEW_CALLS = 4
"""Calls of an RNN in an iteration up to which each iteration's direct term is taken; a decoder that calls it once a
frame would pay for every frame. Ours."""


class Watch:
    """One recurrent module: its passes of the newest batch.

    A batch's first pass is the first after a backward pass, or after `is_over`. Activation checkpointing runs a pass
    again inside the backward pass: that counts only where the first run could not be seen (`use_reentrant=True`), and
    there the last segment comes first.

    due : whether totals are to be measured
    is_over : whether the batch has been recorded
    cost_s : seconds, by the `clock`, that hooks took for what is due
    """

    def __init__(self, path: str, module: nn.Module, faults: Faults) -> None:
        self.path, self.parameters, self._faults = path, {id(parameter) for parameter in module.parameters()}, faults
        self.due = self.is_over = self._heard = False
        self.cost_s, self.clock = 0.0, time.monotonic
        self._task: int | None = None  # the backward pass that its passes were run again in; -1 where in none
        self._place = 0  # of the next pass

    def clear(self) -> None:
        """Drop what was seen, and take the hooks off its tensors."""
        self.is_over = self._heard = False
        self._task, self._place, self.cost_s = None, 0, 0.0

    def measure(self, scale: Any) -> dict[str, Tensor]:
        """By column, divided by the loss's scale; totals once, where they are due."""
        is_due, self.due = self.due, False
        return {**self.direct(scale), **(self.total(scale) if is_due else {})}

    def direct(self, scale: Any) -> dict[str, Tensor]:
        """The direct terms by column: none here, for a hook on a cell's state sees the total alone."""
        return {}

    def total(self, scale: Any) -> dict[str, Tensor]:
        """The totals by column."""
        raise NotImplementedError

    def _counts(self, module: nn.Module) -> bool:
        """Whether a pass is one of the batch's; where it begins another, what was seen is dropped."""
        if not is_training_pass(module):
            return False
        task = torch._C._current_graph_task_id()
        in_other = task != -1 and self._task not in (None, -1, task)
        if self.is_over or in_other or (task == -1 and self._heard):
            self.clear()
        if task != -1 and self._task == -1:
            return False
        if self._heard:
            self._heard, self._place = False, 0
        self._task = task
        return True

    def _next_place(self) -> int:
        self._place += 1
        return self._place - 1

    def _guard(self, keep: Callable[[Tensor], None]) -> Quiet:
        """A hook for a tensor's gradient; one of a graph to be differentiated again (a penalty) is not the loss's."""

        def hear(gradient: Tensor | None) -> None:
            # None: a node of several outputs runs for another one of them, as an LSTM's does
            if gradient is not None and not torch.is_grad_enabled():
                self._heard = True
                keep(gradient)

        return Quiet(hear, self._faults)


class RnnWatch(Watch):
    """One fused RNN."""

    def __init__(self, path: str, module: nn.Module, faults: Faults) -> None:
        super().__init__(path, module, faults)
        self._passes: list[RnnPass] = []
        self._n_calls = self._n_calls_before = 0
        self._random_state: Tensor | None = None

    def attach(self, module: nn.Module, stack: ExitStack) -> None:
        """Hook its forward pass."""
        if isinstance(module, nn.RNNBase) and draws_masks(module):
            stack.callback(module.register_forward_pre_hook(Quiet(self._before, self._faults)).remove)
        stack.callback(module.register_forward_hook(Quiet(self._after, self._faults), with_kwargs=True).remove)

    def _before(self, module: nn.Module, args: Any) -> None:
        self._random_state = torch.get_rng_state() if self.due and is_training_pass(module) else None

    def _after(self, module: nn.RNNBase, args: Any, kwargs: Any, output: Any) -> None:
        if not self._counts(module):
            return
        self._n_calls += 1
        if not self.due and max(self._n_calls, self._n_calls_before) > FEW_CALLS:
            return
        if not is_plain(module):
            raise AttachError(
                f"the recurrent module {self.path!r} has a forward pass of its own (Recorder); its hidden gradients "
                "are not recorded: keep the nn.RNN, nn.GRU or nn.LSTM as a module inside it"
            )
        begun = self.clock()
        given = kwargs["input"] if "input" in kwargs else args[0]
        seen = begin(module, given)
        seen.hook(output[0], output[1], self._guard)
        self._passes.insert(self._next_place(), seen)
        if self.due:
            initial = kwargs["hx"] if "hx" in kwargs else args[1] if len(args) > 1 else None
            seen.keep_call(given, initial, self._random_state)
            self.cost_s += self.clock() - begun

    def clear(self) -> None:
        """Drop what was seen, and take the hooks off its tensors."""
        super().clear()
        for seen in self._passes:
            seen.unhook()
        self._passes = []
        if self._n_calls:
            self._n_calls_before, self._n_calls = self._n_calls, 0

    def direct(self, scale: Any) -> dict[str, Tensor]:
        """The direct terms by column, divided by the loss's scale."""
        if self._n_calls > FEW_CALLS:
            return {}
        found = [(seen, gradient) for seen in self._passes if (gradient := seen.direct()) is not None and len(gradient)]
        if len(found) == 1:  # of several, h_n may carry what later calls send back
            found = [(seen, _with_final(seen, gradient)) for seen, gradient in found]
        norms = [norms_by_frame(gradient) for _, gradient in found]
        return {f"hidden_gradient_direct.{self.path}": binned(torch.cat(norms) / scale)} if norms else {}

    def total(self, scale: Any) -> dict[str, Tensor]:
        """The totals by column, divided by the loss's scale."""
        by_layer: dict[str, list[Tensor]] = {}
        for seen in self._passes:
            call = seen.call(scale)
            if call is None:
                continue
            totals = total_hidden_gradients(seen.as_called, call).totals
            top = f"l{seen.rnn.num_layers - 1}"
            last = torch.cat([totals[suffix] for suffix in (top, f"{top}_reverse") if suffix in totals], dim=-1)
            by_layer.setdefault("", []).append(norms_by_frame(last))
            if len(totals) > 1:
                for suffix, total in totals.items():
                    by_layer.setdefault(f".{suffix}", []).append(norms_by_frame(total))
        return {f"hidden_gradient.{self.path}{suffix}": binned(torch.cat(norms)) for suffix, norms in by_layer.items()}


class CellWatch(Watch):
    """One recurrent cell: the total gradients of its states, call by call."""

    def __init__(self, path: str, module: nn.Module, faults: Faults) -> None:
        super().__init__(path, module, faults)
        self._states: list[_State] = []
        self._handles: list[Any] = []

    def attach(self, module: nn.Module, stack: ExitStack) -> None:
        """Hook its calls."""
        stack.callback(module.register_forward_hook(Quiet(self._after, self._faults)).remove)

    def _after(self, module: nn.Module, args: Any, output: Any) -> None:
        if not self.due or not self._counts(module):
            return
        state = output[0] if isinstance(output, tuple) else output
        if state.requires_grad and (len(state) or state.ndim == 1):
            kept = _State()
            self._states.insert(self._next_place(), kept)
            self._handles.append(hooked(state, kept.keep, self._guard))

    def clear(self) -> None:
        """Drop what was seen, and take the hooks off its tensors."""
        super().clear()
        for handle in self._handles:
            handle.remove()
        self._states, self._handles = [], []

    def total(self, scale: Any) -> dict[str, Tensor]:
        """The totals by column, divided by the loss's scale."""
        found = [state.gradient for state in self._states if state.gradient is not None]
        if not found:
            return {}
        nothing = found[0].new_zeros(())  # a state that nothing was computed from
        norms = [nothing if state.gradient is None else state.gradient.norm() for state in self._states]
        return {f"hidden_gradient.{self.path}": binned(torch.stack(norms) / scale)}


class _State:
    """A cell's state that a gradient may come back to."""

    gradient: Tensor | None = None

    def keep(self, gradient: Tensor) -> None:
        """Keep that of a few clips."""
        gradient = gradient.unsqueeze(0) if gradient.ndim == 1 else gradient
        self.gradient = added(self.gradient, full_precision(gradient[every(len(gradient), CLIPS)]))


def norms_by_frame(gradient: Tensor) -> Tensor:
    """(frame,) L2 norm over clips and units of (clip, frame, unit)."""
    return torch.linalg.vector_norm(full_precision(gradient), dim=(0, 2))


def binned(by_frame: Tensor) -> Tensor:
    """(bin,) at most `BINS`, each the mean of its frames."""
    if len(by_frame) <= BINS:
        return by_frame
    return nn.functional.adaptive_avg_pool1d(by_frame.view(1, 1, -1), BINS).flatten()


def _with_final(seen: RnnPass, output: Tensor) -> Tensor:
    """The output's gradient (clip, frame, unit), with that of h_n added where its last layer was read from."""
    if seen.final is None:
        return output
    n_directions = 2 if seen.rnn.bidirectional else 1
    frames = Frames(seen.lengths, output.shape[1], output.device)
    read = frames.add_to_last(frames.as_read(output.chunk(n_directions, dim=-1)), seen.final[-n_directions:])
    return torch.cat(frames.as_they_come(read), dim=-1)
