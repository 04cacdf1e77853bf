"""What of a network can be taken away, found by a pass over the clips, and the hooks that take it away."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from .ablation_frames import AtHand, InputChange, InputMean, Shuffle, Silence
from .ablation_hooks import MapMean, RnnMeans
from .errors import AttachError, ShapeError
from .parts import recurrent_modules
from .signals.kept import module_path
from .signals.weighting import check_kinds
from .subject import announced_maps

WHAT: Mapping[str, tuple[str, ...]] = {
    "rnn": ("rnn", "rnns"),
    "attention": ("attention", "attentions"),
    "frame_shuffle": ("frame_shuffle",),
    "silence": ("silence",),
}
"""What can be taken away (recurrent modules, maps, the order of frames, pieces of the input), and how its parts' names
begin."""

N_BANDS = 4

Attach = Callable[[ExitStack], None]


@dataclass(frozen=True)
class Part:
    """Something that a pass goes without.

    names : of its columns; a network's only RNN is also all its RNNs
    """

    names: tuple[str, ...]
    label: str
    attach: Attach


class Looks:
    """Hooks for a pass through the whole network, which find what there is and what its means are.

    attention : maps by path, as for `Recorder`; None asks the model, and leaves its output layer out: the scores
        themselves are no part of the way to them
    Raises AttachError for a path or kind that is not known, or whose output goes nowhere.
    """

    def __init__(self, network: nn.Module, attention: Mapping[str, str] | None) -> None:
        self.network, self.at_hand = network, AtHand()
        self.input = InputMean(self.at_hand)
        self._modules = dict(recurrent_modules(network))
        self._rnns = {path: RnnMeans(self.at_hand) for path in self._modules}
        kinds = _own_maps(network) if attention is None else dict(attention)
        check_kinds(kinds, {path for path, _ in network.named_modules()})
        for path in kinds:
            if isinstance(network.get_submodule(module_path(path)), nn.MultiheadAttention):
                raise AttachError(
                    f"the weights that {path} gives, a MultiheadAttention, are only told: nothing depends on them "
                    "(ablate, attention=); leave it out"
                )
        self._maps = {path: MapMean(path, kind, self.at_hand) for path, kind in kinds.items()}

    def attach(self, stack: ExitStack) -> None:
        """Put them on."""
        stack.callback(self.network.register_forward_pre_hook(self.input, with_kwargs=True).remove)
        for path, means in self._rnns.items():
            stack.callback(self._modules[path].register_forward_hook(means.look).remove)
        for path, mean in self._maps.items():
            stack.callback(self._module(path).register_forward_hook(mean.look).remove)

    def parts(self, silence: Any, seed: int) -> Iterator[Part]:
        """What there is to take away; known after the pass."""
        rnns = {
            f"rnn.{path}": (f"the {type(self._modules[path]).__name__} {path}", self._hooks({path: means}))
            for path, means in self._rnns.items()
            if means.was_called
        }
        called = {path: means for path, means in self._rnns.items() if means.was_called}
        yield from _each_and_all(rnns, "rnns", "all RNNs together", self._hooks(called))
        maps = {
            f"attention.{path}": (f"the map {path}", self._hooks({path: mean}))
            for path, mean in self._maps.items()
            if mean.was_called
        }
        looked = {path: mean for path, mean in self._maps.items() if mean.was_called}
        yield from _each_and_all(maps, "attentions", "all maps together", self._hooks(looked))
        yield from self._orders(seed)
        yield from self._pieces(silence)

    def _orders(self, seed: int) -> Iterator[Part]:
        for path, means in self._rnns.items():
            if means.has_frames:
                label = f"the order of the frames that {path} gives"
                yield Part((f"frame_shuffle.rnn.{path}",), label, self._shuffling(path, seed))
        if self.input.has_order:
            yield Part(("frame_shuffle.input",), "the order of the input's frames", self._changing(seed=seed))

    def _pieces(self, silence: Any) -> Iterator[Part]:
        n_mels = self.input.n_mels
        if not (self.input.has_order and n_mels):
            return
        fill = self._silence(silence)
        edges = np.linspace(0, n_mels, N_BANDS + 1).round().astype(int).tolist() if n_mels >= N_BANDS else []
        for band, (low, high) in enumerate(pairwise(edges), start=1):
            label = f"the input's mel bins {low} to {high - 1}"
            yield Part((f"silence.band{band}",), label, self._changing(Silence(fill, bins=slice(low, high))))
        for half, word in enumerate(("first", "second")):
            label = f"the {word} half of the input's frames"
            yield Part((f"silence.half{half + 1}",), label, self._changing(Silence(fill, half=half)))

    def _silence(self, given: Any) -> Tensor:
        """(mel,) what silence is."""
        mean = self.input.mean
        assert mean.sum is not None
        if given is None:
            return mean.sum / mean.count
        fill = torch.as_tensor(given, dtype=mean.sum.dtype, device=mean.sum.device)
        if fill.ndim > 1 or (fill.ndim == 1 and len(fill) != self.input.n_mels):
            raise ShapeError(
                f"silence has shape {tuple(fill.shape)} but the input has {self.input.n_mels} mel bins (ablate); "
                "give a number, or one a mel bin"
            )
        return fill.expand(self.input.n_mels)

    def _hooks(self, means: Mapping[str, RnnMeans | MapMean]) -> Attach:
        def attach(stack: ExitStack) -> None:
            for path, of_path in means.items():
                module = self._modules[path] if isinstance(of_path, RnnMeans) else self._module(path)
                stack.callback(module.register_forward_hook(of_path.replace).remove)

        return attach

    def _shuffling(self, path: str, seed: int) -> Attach:
        def attach(stack: ExitStack) -> None:
            hook = Shuffle(self.at_hand, seed).output
            stack.callback(self._modules[path].register_forward_hook(hook).remove)

        return attach

    def _changing(self, change: Silence | None = None, seed: int = 0) -> Attach:
        def attach(stack: ExitStack) -> None:
            hook = InputChange(self.at_hand, Shuffle(self.at_hand, seed) if change is None else change)
            stack.callback(self.network.register_forward_pre_hook(hook, with_kwargs=True).remove)

        return attach

    def _module(self, path: str) -> nn.Module:
        return self.network.get_submodule(module_path(path))


def most_passes(network: nn.Module) -> int:
    """Passes that `ablate` needs for a network without silence, the one through the whole of it included, at most."""
    n_rnns, n_maps = len(recurrent_modules(network)), len(_own_maps(network))
    return 1 + 2 * n_rnns + (n_rnns > 1) + n_maps + (n_maps > 1) + 1


def begins_as(part: Part, what: Sequence[str]) -> bool:
    """Whether a part is one of those wanted."""
    begin = part.names[0].partition(".")[0]
    return any(begin in WHAT[name] for name in what)


def _own_maps(network: nn.Module) -> dict[str, str]:
    output_layer = getattr(network, "output_layer", None)
    return {path: kind for path, kind in announced_maps(network).items() if path != output_layer}


def _each_and_all(each: Mapping[str, tuple[str, Attach]], all_name: str, all_label: str, attach: Attach) -> list[Part]:
    """A part each, and all at once; an only one is both."""
    if len(each) == 1:
        ((name, (label, of_one)),) = each.items()
        return [Part((name, all_name), label, of_one)]
    parts = [Part((name,), label, of_one) for name, (label, of_one) in each.items()]
    return [*parts, Part((all_name,), all_label, attach)] if parts else []
