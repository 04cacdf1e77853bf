"""Recurrent modules under watch: their passes since the last row, and the gradients by frame that come back to them."""

from contextlib import ExitStack
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from ..through_time import total_hidden_gradients
from ..through_time.frames import Frames
from .quiet import Faults, Quiet, is_recomputation, is_training_pass
from .rnn_pass import CLIPS, RnnPass, begin, draws_masks, full_precision

BINS = 64
"""Frame bins of a hidden gradient; longer clips are averaged."""

FEW_CALLS = 4
"""Calls of an RNN in an iteration up to which each iteration's direct term is taken; a decoder that calls it once a
frame would pay for every frame. Ours."""


class RnnWatch:
    """One fused RNN: its passes since the last row."""

    def __init__(self, path: str, faults: Faults) -> None:
        self.path, self._faults = path, faults
        self.due = self.is_over = False
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
        if not is_training_pass(module) or (is_recomputation() and self._passes):
            return
        if self.is_over:
            self.clear()
        self._n_calls += 1
        if not self.due and max(self._n_calls, self._n_calls_before) > FEW_CALLS:
            return
        given = kwargs["input"] if "input" in kwargs else args[0]
        seen = begin(module, given)
        if self.due:
            initial = kwargs["hx"] if "hx" in kwargs else args[1] if len(args) > 1 else None
            seen.keep_call(given, initial, self._random_state)
        seen.hook(output[0], output[1], lambda keep: Quiet(keep, self._faults))
        self._passes.append(seen)

    def clear(self) -> None:
        """Drop what was seen, and take the hooks off its tensors."""
        for seen in self._passes:
            seen.unhook()
        self._passes, self.is_over = [], False
        if self._n_calls:
            self._n_calls_before, self._n_calls = self._n_calls, 0

    def direct(self, scale: Any) -> dict[str, Tensor]:
        """The direct terms by column, divided by the loss's scale."""
        if self._n_calls > FEW_CALLS:
            return {}
        with_final = len(self._passes) == 1  # of several, h_n may carry what later calls send back
        norms = [
            norms_by_frame(gradient, seen.lengths)
            for seen in self._passes
            if (gradient := _direct(seen, with_final)) is not None
        ]
        return {f"hidden_gradient_direct.{self.path}": binned(torch.cat(norms) / scale)} if norms else {}

    def total(self, scale: Any) -> dict[str, Tensor]:
        """The totals by column, divided by the loss's scale."""
        by_layer: dict[str, list[Tensor]] = {}
        for seen in self._passes:
            call = seen.call(scale)
            if call is None:
                continue
            totals = total_hidden_gradients(seen.rnn, call).totals
            top = f"l{seen.rnn.num_layers - 1}"
            last = torch.cat([totals[suffix] for suffix in (top, f"{top}_reverse") if suffix in totals], dim=-1)
            by_layer.setdefault("", []).append(norms_by_frame(last, call.lengths))
            if len(totals) > 1:
                for suffix, total in totals.items():
                    by_layer.setdefault(f".{suffix}", []).append(norms_by_frame(total, call.lengths))
        return {f"hidden_gradient.{self.path}{suffix}": binned(torch.cat(norms)) for suffix, norms in by_layer.items()}


class CellWatch:
    """One recurrent cell: the total gradients of its states, call by call."""

    def __init__(self, path: str, faults: Faults) -> None:
        self.path, self._faults = path, faults
        self.due = self.is_over = False
        self._gradients: list[Tensor | None] = []
        self._handles: list[Any] = []

    def attach(self, module: nn.Module, stack: ExitStack) -> None:
        """Hook its calls."""
        stack.callback(module.register_forward_hook(Quiet(self._after, self._faults)).remove)

    def _after(self, module: nn.Module, args: Any, output: Any) -> None:
        if not self.due or not is_training_pass(module) or (is_recomputation() and self._gradients):
            return
        if self.is_over:
            self.clear()
        state = output[0] if isinstance(output, tuple) else output
        if state.requires_grad:
            keep = partial(self._keep, len(self._gradients))
            self._gradients.append(None)
            self._handles.append(state.register_hook(Quiet(keep, self._faults)))

    def _keep(self, place: int, gradient: Tensor) -> None:
        gradient = gradient.unsqueeze(0) if gradient.ndim == 1 else gradient
        self._gradients[place] = full_precision(gradient[:: -(-len(gradient) // CLIPS)])

    def clear(self) -> None:
        """Drop what was seen, and take the hooks off its tensors."""
        for handle in self._handles:
            handle.remove()
        self._gradients, self._handles, self.is_over = [], [], False

    def direct(self, scale: Any) -> dict[str, Tensor]:
        """Nothing: a hook on a cell's state sees the total alone."""
        return {}

    def total(self, scale: Any) -> dict[str, Tensor]:
        """The totals by column, divided by the loss's scale."""
        found = [gradient for gradient in self._gradients if gradient is not None]
        if not found:
            return {}
        nothing = torch.zeros_like(found[0][0, 0])  # a state that nothing was computed from
        norms = [nothing if gradient is None else gradient.norm() for gradient in self._gradients]
        return {f"hidden_gradient.{self.path}": binned(torch.stack(norms) / scale)}


def norms_by_frame(gradient: Tensor, lengths: Tensor | None) -> Tensor:
    """(frame,) L2 norm over clips and units of (clip, frame, unit); NaN where all clips are padding."""
    norms = torch.linalg.vector_norm(gradient, dim=(0, 2))
    if lengths is None:
        return norms
    return norms.masked_fill(torch.arange(len(norms), device=norms.device) >= int(lengths.max()), torch.nan)


def binned(by_frame: Tensor) -> Tensor:
    """(bin,) at most `BINS`, each the mean of its frames."""
    if len(by_frame) <= BINS:
        return by_frame
    return nn.functional.adaptive_avg_pool1d(by_frame.view(1, 1, -1), BINS).flatten()


def _direct(seen: RnnPass, with_final: bool) -> Tensor | None:
    """(clip, frame, unit) gradient of the last layer's states by way of outputs, and of h_n if no later call has it."""
    output = seen.direct()
    if seen.final is None or not with_final or output is None:
        return output
    n_directions = 2 if seen.rnn.bidirectional else 1
    frames = Frames(seen.lengths, output.shape[1], output.device)
    read = frames.add_to_last(frames.as_read(output.chunk(n_directions, dim=-1)), seen.final[-n_directions:])
    return torch.cat(frames.as_they_come(read), dim=-1)
