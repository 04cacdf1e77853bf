"""Frames of a batch that are changed on their way: shuffled, or silenced, in whatever form they come."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from .signals.rnn_pass import clips_first, unpacked

Change = Callable[[Tensor, Tensor], Tensor]
"""From (clip, frame, ...) values and (clip, frame) bool, True where a frame is real, to values of the same shape."""


class AtHand:
    """The batch that is going through: which of its frames are real (clip, frame); None is all."""

    mask: Tensor | None = None


class Mean:
    """A mean that grows batch by batch, over rows, in float32 or wider."""

    def __init__(self) -> None:
        self.sum: Tensor | None = None
        self.count = 0

    def add(self, rows: Tensor) -> None:
        """Count (row, ...)."""
        total = rows.to(torch.promote_types(rows.dtype, torch.float32)).sum(dim=0)
        self.sum = total if self.sum is None else self.sum + total
        self.count += len(rows)

    def like(self, values: Tensor) -> Tensor:
        """The mean in every row of (..., *row), as a tensor of its own."""
        assert self.sum is not None
        return (self.sum / max(self.count, 1)).to(values.dtype).expand(values.shape).contiguous()


def by_frames(given: Any, mask: Tensor | None, change: Change, *, batch_first: bool = True) -> Any:
    """A sequence with its frames changed, in the form that it has: padded, packed, or of a single clip.

    mask : (clip, frame), taken where the clips are as many; a packed sequence has its own
    """
    if isinstance(given, PackedSequence):
        padded, lengths = unpacked(given)
        real = torch.arange(padded.shape[1]) < lengths[:, None]  # (clip, frame)
        real = real.to(padded.device)
        changed = change(padded, real).transpose(0, 1)[real.T]
        return given._replace(data=changed)
    padded = clips_first(given, batch_first) if given.is_floating_point() else given
    changed = change(padded, real_frames(mask, padded))
    if given.ndim == 2 and given.is_floating_point():
        return changed.squeeze(0)
    return changed if batch_first or changed.ndim == 2 else changed.transpose(0, 1)


def real_frames(mask: Tensor | None, values: Tensor) -> Tensor:
    """(clip, frame) bool for (clip, frame, ...) values: the mask, where it is of as many clips; otherwise all.

    Where the values have another number of frames (pooling over time), one is real if any that it covers is.
    """
    n_clips, n_frames = values.shape[:2]
    if mask is None or len(mask) != n_clips:
        return torch.ones(n_clips, n_frames, dtype=torch.bool, device=values.device)
    real = mask.to(values.device, torch.bool)
    if mask.shape[1] != n_frames:
        real = nn.functional.adaptive_max_pool1d(real.float().unsqueeze(1), n_frames).squeeze(1) > 0
    return real


class Shuffle:
    """Real frames change places at random, each clip's within the clip; padding stays where it is."""

    def __init__(self, at_hand: AtHand, seed: int) -> None:
        self.at_hand, self._rng = at_hand, np.random.default_rng(seed)

    def __call__(self, values: Tensor, real: Tensor) -> Tensor:
        """(clip, frame, ...) with the frames in another order."""
        order = torch.from_numpy(permutations(real.cpu().numpy(), self._rng)).to(values.device)
        index = order.reshape(*order.shape, *[1] * (values.ndim - 2)).expand(values.shape)
        return values.gather(1, index)

    def output(self, rnn: nn.Module, args: Any, output: Any) -> Any:
        """Forward hook on a recurrent layer: its output's frames, not its final states."""
        several = isinstance(output, tuple) and not isinstance(output, PackedSequence)
        given, *states = output if several else (output,)
        first = bool(getattr(rnn, "batch_first", True))
        changed = by_frames(given, self.at_hand.mask, self, batch_first=first)
        return (changed, *states) if several else changed


def permutations(real: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(clip, frame) frames to take from, so that each clip's real ones change places at random.

    >>> permutations(np.array([[True, False, True]]), np.random.default_rng(0)).tolist()
    [[2, 1, 0]]
    """
    keys = np.where(real, rng.random(real.shape), np.inf)
    places, drawn = np.argsort(~real, axis=1, kind="stable"), np.argsort(keys, axis=1, kind="stable")
    order = np.empty_like(places)
    np.put_along_axis(order, places, drawn, axis=1)
    return order


class InputChange:
    """Forward pre-hook on the network: its input's frames are changed, whatever the argument's name."""

    def __init__(self, at_hand: AtHand, change: Change) -> None:
        self.at_hand, self.change = at_hand, change

    def __call__(self, model: nn.Module, args: Any, kwargs: Any) -> tuple[Any, Any]:
        """The arguments with the input changed."""
        key, given = input_of(args, kwargs)
        if key is None:
            return args, kwargs
        changed = by_frames(given, self.at_hand.mask, self.change)
        if isinstance(key, str):
            return args, {**kwargs, key: changed}
        return (*args[:key], changed, *args[key + 1 :]), kwargs


class InputMean:
    """Forward pre-hook that looks at the network's input: the mean of each mel bin, and whether clips come first."""

    def __init__(self, at_hand: AtHand) -> None:
        self.at_hand, self.mean = at_hand, Mean()
        self.n_clips: list[int] = []
        self.fits, self.is_called = True, False

    def __call__(self, model: nn.Module, args: Any, kwargs: Any) -> None:
        """Count the input."""
        key, given = input_of(args, kwargs)
        if key is None:
            self.fits = False
            return
        data = given.data if isinstance(given, PackedSequence) else given
        self.is_called = True
        self.n_clips.append(int(given.batch_sizes[0]) if isinstance(given, PackedSequence) else len(given))
        if data.is_floating_point():
            by_frames(given, self.at_hand.mask, self._count)

    def check(self, n_clips: int) -> None:
        """Hold what was seen of a batch against how many clips it has."""
        self.fits &= set(self.n_clips) <= {n_clips}
        self.n_clips.clear()

    @property
    def has_order(self) -> bool:
        """Whether the input is frames whose order could be another."""
        return self.is_called and self.fits

    @property
    def n_mels(self) -> int:
        """Mel bins of the input; 0 where it has none."""
        return 0 if self.mean.sum is None or self.mean.sum.ndim != 1 else len(self.mean.sum)

    def _count(self, values: Tensor, real: Tensor) -> Tensor:
        self.mean.add(values[real])
        return values


def input_of(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[int | str | None, Any]:
    """The network's first argument that can be clips of frames, and its place.

    That is a float (clip, frame, mel), an integer (clip, frame), or a packed sequence.
    """
    for key, given in [*enumerate(args), *kwargs.items()]:
        if isinstance(given, PackedSequence) or (isinstance(given, Tensor) and _is_frames(given)):
            return key, given
    return None, None


def _is_frames(given: Tensor) -> bool:
    if given.is_floating_point():
        return given.ndim == 3
    return given.ndim == 2 and given.dtype != torch.bool


class Silence:
    """A piece of the input is replaced by silence, in real frames.

    fill : (mel,) what silence is
    bins : which mel bins; None all
    half : 0 the first, 1 the second half of each clip's real frames; None all
    """

    def __init__(self, fill: Tensor, bins: slice | None = None, half: int | None = None) -> None:
        self.fill, self.half = fill, half
        self._bins = torch.zeros(len(fill), dtype=torch.bool, device=fill.device)
        self._bins[slice(None) if bins is None else bins] = True

    def __call__(self, values: Tensor, real: Tensor) -> Tensor:
        """(clip, frame, mel) with the piece silent."""
        silent = real
        if self.half is not None:
            is_first = real.cumsum(dim=1) * 2 <= real.sum(dim=1, keepdim=True) + 1
            silent = real & (is_first if self.half == 0 else ~is_first)
        return torch.where(silent.unsqueeze(-1) & self._bins, self.fill.to(values.dtype), values)
