from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence
from torch.optim import Optimizer

from ..parts import CELLS, has_bounded_state, recurrent_modules
from .base import Batch, Signal, SignalInfo, Taken, Values
from .quiet import Faults, Quiet, is_recomputation, is_training_pass
from .rnn_pass import clips_first, unpacked
from .sampling import every, spacing
from .spread import clip_spread

SATURATED = 0.9
"""|h| beyond which a recurrent unit counts as saturated; ours: a collapsed net had 85 % of its outputs beyond it within
70 iterations."""

FRAMES = 16
"""Evenly spaced frames that are looked at; ours: shares and spreads of neighbouring frames hardly differ."""

CLIPS = 64
"""Evenly spaced clips that are looked at."""


class RecurrentStates(Signal):
    """Whether recurrent units are saturated, and whether their states still differ between clips.

    Of the hidden states that an RNN gives in the training pass, all layers' last, both directions; of cells, of the
    states of their calls, as of an RNN that is called one frame at a time. Padding is left out (packed sequences, or a
    mask).
    """

    subject = "recurrent"
    cost = f"two passes over {FRAMES} frames of at most {CLIPS} clips of each RNN's output"
    infos = (
        SignalInfo(
            "saturation.<rnn>", "share", f"hidden states beyond |h| > {SATURATED}; NaN where h has no bound of 1"
        ),
        SignalInfo(
            "hidden_spread.<rnn>", "the state's", "standard deviation between clips, mean over frames and units"
        ),
    )

    def __init__(self) -> None:
        self._watches: list[_Watch] = []
        self._faults = Faults()

    @property
    def paths(self) -> Sequence[str]:
        """Of the recurrent modules."""
        return [watch.path for watch in self._watches]

    def attach(self, model: nn.Module, optimizers: list[Optimizer], stack: ExitStack) -> None:
        """Hook the recurrent modules' forward passes."""
        for path, module in recurrent_modules(model):
            watch = _Watch(path, has_bounded_state(module), isinstance(module, CELLS))
            self._watches.append(watch)
            stack.callback(module.register_forward_hook(Quiet(watch.keep, self._faults)).remove)
        stack.callback(self._watches.clear)

    def see(self, mask: Tensor | None) -> None:
        """Measure the newest pass, padding left out."""
        for watch in self._watches:
            watch.measure(mask)
        self._faults.raise_kept()  # here and not in `take`: one faulty RNN is no reason to lose the others

    def forget(self) -> None:
        """Drop what was not taken."""
        for watch in self._watches:
            watch.measured = None

    def take(self) -> Taken:
        """Saturation and spread of the newest training pass, by path."""
        taken = {watch.path: watch.measured for watch in self._watches if watch.measured is not None}
        self.forget()
        return taken

    def state(self) -> dict[str, Any]:
        """Of cells, which of an iteration's calls are looked at: it hangs on how many the iteration before had."""
        return {watch.path: watch.every for watch in self._watches}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """As it was."""
        for watch in self._watches:
            watch.every = state.get(watch.path, watch.every)

    def collect(self, batch: Batch, taken: Taken) -> Values:
        """Both numbers by RNN."""
        values = {}
        for path, (saturation, spread) in taken.items():
            values |= {f"saturation.{path}": float(saturation), f"hidden_spread.{path}": float(spread)}
        return values


@dataclass
class _Watch:
    """One recurrent module: states (clip, frame, unit) of its newest training pass, as few as are looked at."""

    path: str
    is_bounded: bool
    is_cell: bool
    measured: Tensor | None = None
    _calls: list[Tensor] = field(default_factory=list)
    _real: Tensor | None = None
    _shape: torch.Size | None = None
    _frames: slice = field(default_factory=lambda: slice(None))
    every: int = 1
    _n_calls: int = 0

    def keep(self, module: nn.Module, args: object, output: object) -> None:
        """Keep states of a training pass; a cell's calls are frames."""
        if not is_training_pass(module) or (is_recomputation() and self._calls):
            return
        given = output[0] if isinstance(output, (tuple, list)) and not isinstance(output, PackedSequence) else output
        self._keep_call(given) if self.is_cell else self._keep_pass(given, module)  # type: ignore[arg-type]

    def _keep_call(self, state: Tensor) -> None:
        self._n_calls += 1
        if (self._n_calls - 1) % self.every == 0:
            state = state.detach()
            state = state.unsqueeze(0) if state.ndim == 1 else state
            self._calls.append(state[every(len(state), CLIPS)].clone())

    def _keep_pass(self, given: Tensor | PackedSequence, module: nn.RNNBase) -> None:
        if isinstance(given, PackedSequence):
            states, lengths = unpacked(given._replace(data=given.data.detach()))
            self._real = torch.arange(states.shape[1]) < lengths.unsqueeze(1)  # (clip, frame), on the CPU
        else:
            states, self._real = clips_first(given.detach(), module.batch_first), None
            if states.shape[1] == 1:  # a decoder's loop
                return self._keep_call(states[:, 0])
        step = spacing(states.shape[1], FRAMES)
        self._frames, self._shape = slice(step // 2, None, step), states.shape[:2]
        self._calls = [states[:, self._frames][every(len(states), CLIPS)].clone()]

    def measure(self, mask: Tensor | None) -> None:
        """Compute both numbers and let the states go."""
        calls, self._calls = self._calls, []
        is_loop, n_calls, self._n_calls = self._n_calls > 0, self._n_calls, 0
        if is_loop:
            self.every = spacing(n_calls, FRAMES)
        if not calls:
            return
        with torch.no_grad():
            alike = [call for call in calls if call.shape == calls[0].shape]
            states = torch.stack(alike, dim=1) if is_loop else calls[0]
            real = None if is_loop else self._of_the_same(mask, states)
            self.measured = _measured(states.float(), real, self.is_bounded)

    def _of_the_same(self, mask: Tensor | None, states: Tensor) -> Tensor | None:
        """The mask of the states that were kept; None where all are real, or the mask is one of other frames."""
        real = self._real if self._real is not None else mask
        if real is None or real.shape != self._shape:
            return None
        return real[every(len(real), CLIPS), self._frames].to(states.device, torch.bool, non_blocking=True)


def _measured(states: Tensor, real: Tensor | None, is_bounded: bool) -> Tensor:
    """(2,) saturation and spread of states (clip, frame, unit); NaN where one that is real is not finite."""
    share, spread, is_finite = _of_all(states) if real is None else _of_real(states, real.unsqueeze(-1))
    measured = torch.stack([share if is_bounded else torch.full_like(share, torch.nan), spread])
    return torch.where(is_finite, measured, torch.nan)


def _of_all(states: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    flat = states.flatten(1)
    share = (flat.abs() > SATURATED).sum() / flat.numel()
    return share, clip_spread(flat), torch.isfinite(flat.sum())


def _of_real(states: Tensor, real: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    states = torch.where(real, states, 0)
    n_clips = real.sum(dim=0)  # (frame, 1)
    share = (states.abs() > SATURATED).sum() / (n_clips.sum() * states.shape[-1])
    mean = states.sum(dim=0) / n_clips
    variance = (torch.where(real, states - mean, 0).square()).sum(dim=0) / n_clips
    spread = torch.where(n_clips > 1, variance.sqrt(), torch.nan).nanmean()
    return share, spread, torch.isfinite(states).all()
