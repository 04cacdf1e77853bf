"""Hooks that put its mean in place of what a part of a network gives."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from .ablation_frames import AtHand, Change, Mean, by_frames, real_frames
from .errors import AttachError
from .signals.kept import chosen_output


class RnnMeans:
    """Means of what a recurrent module gives: of its output over clips and real frames, of its final states over clips.

    One vector for all frames of all clips: with it the rest of the network gets what it is used to in size, and nothing
    of this clip or of this frame. (Zeros would be a value that it never saw, a mean by clip would tell clips apart, one
    by frame would keep how a clip ends.) Of a cell each call is a frame, and what it is fed back is the mean too.
    """

    def __init__(self, at_hand: AtHand) -> None:
        self.at_hand = at_hand
        self._means: dict[str, Mean] = {}

    def look(self, rnn: nn.Module, args: Any, output: Any) -> None:
        """Forward hook that counts an output."""

        def frames(values: Tensor, real: Tensor) -> Tensor:
            self._mean("output").add(values[real])
            return values

        def state(which: str, values: Tensor) -> Tensor:
            self._mean(which).add(_clips_of_state(rnn, values))
            return values

        self._change(rnn, output, frames, state)

    def replace(self, rnn: nn.Module, args: Any, output: Any) -> Any:
        """Forward hook that puts the means in place of an output."""

        def state(which: str, values: Tensor) -> Tensor:
            rows = self._mean(which).like(_clips_of_state(rnn, values))
            return rows.movedim(0, -2).contiguous() if rows.ndim == values.ndim else rows.squeeze(0)

        return self._change(rnn, output, lambda values, _: self._mean("output").like(values), state)

    @property
    def was_called(self) -> bool:
        """Whether there was anything to count."""
        return bool(self._means)

    @property
    def has_frames(self) -> bool:
        """Whether it gives frames at once: a layer does, a cell does not."""
        return "output" in self._means

    def _mean(self, which: str) -> Mean:
        return self._means.setdefault(which, Mean())

    def _change(self, rnn: nn.Module, output: Any, frames: Change, state: Callable[[str, Tensor], Tensor]) -> Any:
        if isinstance(rnn, nn.RNNCellBase):
            return _each_state(output, state)
        given, states = output if isinstance(output, tuple) and not isinstance(output, PackedSequence) else (output, ())
        first = bool(getattr(rnn, "batch_first", True))
        changed = by_frames(given, self.at_hand.mask, frames, batch_first=first)
        return (changed, _each_state(states, state)) if given is not output else changed


def _each_state(states: Any, change: Callable[[str, Tensor], Tensor]) -> Any:
    if isinstance(states, tuple):
        return tuple(change(f"state{index}", values) for index, values in enumerate(states))
    return change("state0", states)


def _clips_of_state(rnn: nn.Module, values: Tensor) -> Tensor:
    """(clip, ...) of a final state: a layer's is (layer, [clip,] unit), a cell's ([clip,] unit)."""
    alone = values.ndim == (1 if isinstance(rnn, nn.RNNCellBase) else 2)
    return values.unsqueeze(0) if alone else values.movedim(-2, 0)


class MapMean:
    """Mean weight of a map, of each class over clips and real frames; put back as what the module would give for it.

    What a module gives before a sigmoid or a softmax over classes is the logit, or the logarithm, of the mean weight;
    before a softmax over time a constant, which makes all frames equal.
    """

    def __init__(self, path: str, kind: str, at_hand: AtHand) -> None:
        self.path, self.kind, self.at_hand = path, kind, at_hand
        self._mean = Mean()

    def look(self, module: nn.Module, args: Any, output: Any) -> None:
        """Forward hook that counts a map."""
        values = self._chosen(module, output)
        weights = {"sigmoid": torch.sigmoid, "softmax-class": _softmax}.get(self.kind, lambda given: given)(values)
        self._mean.add(weights[real_frames(self.at_hand.mask, values)])

    def replace(self, module: nn.Module, args: Any, output: Any) -> Any:
        """Forward hook that puts the mean in place of a map."""
        values = self._chosen(module, output)
        mean = self._mean.like(values)
        if self.kind == "sigmoid":
            mean = mean.clamp(1e-6, 1 - 1e-6).logit()
        elif self.kind == "softmax-class":
            mean = mean.clamp_min(torch.finfo(mean.dtype).tiny).log()
        return _put(output, values, mean)

    @property
    def was_called(self) -> bool:
        """Whether there was anything to count."""
        return self._mean.count > 0

    def _chosen(self, module: nn.Module, output: Any) -> Tensor:
        values = chosen_output(module, self.path, output)
        if not isinstance(values, Tensor) or values.ndim != 3:
            found = tuple(values.shape) if isinstance(values, Tensor) else type(values).__name__
            raise AttachError(
                f"{self.path} gives {found}, but a map is (clip, frame, class) (ablate, attention=); "
                "name a module that gives one"
            )
        return values


def _softmax(values: Tensor) -> Tensor:
    return values.softmax(dim=-1)


def _put(output: Any, old: Tensor, new: Tensor) -> Any:
    """An output, of several the chosen one replaced."""
    if isinstance(output, Tensor):
        return new
    if isinstance(output, dict):
        return {name: new if value is old else value for name, value in output.items()}
    return type(output)(new if value is old else value for value in output)
