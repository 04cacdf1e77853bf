import math
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence
from torch.optim import Optimizer

from ..errors import AttachError
from ..parts import RECURRENT, has_bounded_state
from .base import Batch, Signal, SignalInfo, Taken, Values
from .quiet import Faults, Quiet, is_recomputation, is_training_pass
from .sampling import every, spacing
from .spread import clip_spread

SAMPLED = 2**15
"""Values of an activation that are looked at, evenly spaced in each clip; ours: a share of 32,768 is known to .6 %."""

CLIPS = 16
"""Evenly spaced clips that are looked at."""

SATURATED = 0.9
"""Of the way from the middle of an activation's range to a bound, beyond which it counts as saturated."""

BOUNDS: tuple[tuple[tuple[type[nn.Module], ...], float, float], ...] = (
    ((nn.Sigmoid, nn.Hardsigmoid, nn.Softmax, nn.Softmax2d), 0.0, 1.0),
    ((nn.Tanh, nn.Hardtanh, nn.Softsign), -1.0, 1.0),
    (RECURRENT, -1.0, 1.0),
)
"""Lower and upper bound by module; elsewhere an activation has none, and its saturation is NaN."""

MOST_MODULES = 64
"""Modules that are recorded where none were asked for; ours."""


class Activations(Signal):
    """What modules give in the training pass: dead, stuck at a bound, or the same for every clip.

    Of several outputs the first is looked at; of a packed sequence its real frames. A module called several times in
    an iteration counts with its last call.

    paths : modules; None is every module without children, the first `MOST_MODULES` of them
    """

    subject = "activations"
    cost = f"30 us a module: at most {SAMPLED} values of {CLIPS} clips are looked at"
    infos = (
        SignalInfo("zero_share.<path>", "share", "activations that are exactly 0"),
        SignalInfo(
            "activation_saturation.<path>",
            "share",
            f"activations beyond {SATURATED} of the way to a bound; NaN for a module without bounds",
        ),
        SignalInfo(
            "activation_spread.<path>", "the activation's", "standard deviation between clips, mean over the others"
        ),
    )

    def __init__(self, paths: Sequence[str] | None = None) -> None:
        self._asked = paths
        self._found: list[str] = []
        self._measured: dict[str, Tensor] = {}
        self._faults = Faults()

    @property
    def paths(self) -> Sequence[str]:
        """Of the modules that are looked at."""
        return self._found

    def attach(self, model: nn.Module, optimizers: list[Optimizer], stack: ExitStack) -> None:
        """Hook the modules' forward passes.

        Raises AttachError for a path that the model does not have.
        """
        modules = dict(model.named_modules(remove_duplicate=self._asked is None))
        for path in _leaves(modules) if self._asked is None else dict.fromkeys(self._asked):
            if path not in modules:
                known = ", ".join(sorted(filter(None, modules))) or "none"
                raise AttachError(
                    f"activations names {path!r}, which the model does not have (Recorder); its modules: {known}"
                )
            hook = Quiet(_Look(path, self._measured), self._faults)
            stack.callback(modules[path].register_forward_hook(hook).remove)
            self._found.append(path)
        stack.callback(self._measured.clear)

    def see(self, mask: Tensor | None) -> None:
        """Tell a hook's fault: here and not in `take`, for one faulty module is no reason to lose the others."""
        self._faults.raise_kept()

    def forget(self) -> None:
        """Drop what was not taken."""
        self._measured.clear()

    def take(self) -> Taken:
        """(3,) by path: zero share, saturation, spread."""
        taken = dict(self._measured)
        self._measured.clear()
        return taken

    def collect(self, batch: Batch, taken: Taken) -> Values:
        """By column."""
        names = ("zero_share", "activation_saturation", "activation_spread")
        return {
            f"{name}.{path}": float(value)
            for path, values in taken.items()
            for name, value in zip(names, values, strict=True)
        }


class _Look:
    """Measures a module's output at once: a later operation may overwrite it."""

    def __init__(self, path: str, measured: dict[str, Tensor]) -> None:
        self.path, self.measured = path, measured

    def __call__(self, module: nn.Module, args: Any, output: Any) -> None:
        if not is_training_pass(module) or (is_recomputation() and self.path in self.measured):
            return
        given = output
        while isinstance(given, (tuple, list)) and not isinstance(given, PackedSequence) and given:
            given = given[0]
        with torch.no_grad():
            if isinstance(given, PackedSequence):
                self.measured[self.path] = _of_packed(given, module)
            elif isinstance(given, Tensor) and given.is_floating_point() and given.numel():
                self.measured[self.path] = _of_clips(_clips_first(given.detach(), module), module)


def _clips_first(given: Tensor, module: nn.Module) -> Tensor:
    """The same with clips in the first dimension: an RNN's may be the second, or there may be no clips."""
    if given.ndim < 2 or (given.ndim == 2 and isinstance(module, nn.RNNBase)):
        return given.reshape(1, -1)
    if getattr(module, "batch_first", True):
        return given
    return given[:: 1 + given.numel() // (4 * SAMPLED)].movedim(1, 0)  # (frame, clip, unit)


def _of_clips(values: Tensor, module: nn.Module) -> Tensor:
    """(3,) of an activation whose first dimension is the clip."""
    values = values[every(len(values), CLIPS)].flatten(1)  # (clip, value)
    values = values[:, :: _step(values.numel(), values.shape[1])].float().contiguous()
    return torch.stack([*_shares(values, module), clip_spread(values)])


def _of_packed(packed: PackedSequence, module: nn.Module) -> Tensor:
    """(3,) of a packed sequence: shares of its real frames, spread between clips in the frames that all have."""
    data = packed.data.detach()
    n_clips, n_shared = int(packed.batch_sizes[0]), int((packed.batch_sizes == packed.batch_sizes[0]).sum())
    shares = _shares(data[:: _step(data.numel(), n_clips * len(data))].float(), module)
    by_clip = data[: n_clips * n_shared].unflatten(0, (n_shared, n_clips)).transpose(0, 1)
    return torch.stack([*shares, _of_clips(by_clip, module)[2]])


def _step(count: int, period: int) -> int:
    """How far apart `SAMPLED` values lie; apart from the period, so that not the same column is met each time."""
    step = spacing(count, SAMPLED)
    while math.gcd(step, period) > 1:
        step += 1
    return step


def _shares(values: Tensor, module: nn.Module) -> tuple[Tensor, Tensor]:
    """Zero share and saturation; NaN where a value is not finite."""
    is_finite = torch.isfinite(values.sum())
    zeros = (values == 0).sum() / values.numel()
    bounds = next(((low, high) for kinds, low, high in BOUNDS if isinstance(module, kinds)), None)
    if bounds is None or not has_bounded_state(module):
        saturated = torch.full_like(zeros, torch.nan)
    else:
        middle, reach = sum(bounds) / 2, (bounds[1] - bounds[0]) / 2
        saturated = ((values - middle).abs() > SATURATED * reach).sum() / values.numel()
    return torch.where(is_finite, zeros, torch.nan), torch.where(is_finite, saturated, torch.nan)


def _leaves(modules: dict[str, nn.Module]) -> list[str]:
    """Modules without children, in the model's order; those that pass on what they get are left out."""
    passing = (nn.Identity, nn.Dropout, nn.Flatten, nn.Unflatten)
    leaves = [path for path, module in modules.items() if path and not list(module.children())]
    return [path for path in leaves if not isinstance(modules[path], passing)][:MOST_MODULES]
