"""Outputs of modules, kept by forward hooks until they are measured."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import AttachError

MOST_QUERIES = 128
"""Columns of a MultiheadAttention's map at most; ours, so that 256 frames of it stay within 32 kB."""


@dataclass(frozen=True)
class Kept:
    """What a module gave, and how often that tensor had been changed in place by then."""

    path: str
    output: Any
    version: int

    def map(self) -> Tensor:
        """The map (clip, frame, class).

        Raises AttachError if the output is none, or if a later operation overwrote it.
        """
        where = f"attention={{{self.path!r}: ...}}, Recorder.step"
        if not isinstance(self.output, Tensor):
            raise AttachError(
                f"{self.path} gives {type(self.output).__name__}, but a map is a tensor ({where}); "
                "name a module that gives one"
            )
        if self.output.ndim != 3:
            raise AttachError(
                f"{self.path} gives {tuple(self.output.shape)}, but a map is (clip, frame, class) ({where}); "
                "name a module that gives one"
            )
        if _version(self.output) != self.version:
            raise AttachError(
                f"the output of {self.path} was changed in place after the module gave it ({where}); "
                "use sigmoid() and not sigmoid_(), or name a module whose output stays"
            )
        return self.output


class OutputKeeper:
    """Forward hook that keeps a module's newest output by path; it changes nothing.

    path : of the module, with `[1]` or `[name]` after it for one of several outputs; without, the first is kept, of a
        MultiheadAttention its weights
    training_only : leave out passes in eval mode or without gradients, such as an evaluation between two steps
    """

    def __init__(self, path: str, kept: dict[str, Kept], training_only: bool) -> None:
        self.path, self.kept, self.training_only = path, kept, training_only

    def __call__(self, module: nn.Module, args: Any, output: Any) -> None:
        """Keep the output; of several, the first."""
        if self.training_only and not (module.training and torch.is_grad_enabled()):
            return
        given = chosen_output(module, self.path, output)
        if given is None and isinstance(module, nn.MultiheadAttention):  # called with need_weights=False
            return
        if isinstance(given, Tensor):
            self.kept[self.path] = Kept(self.path, given.detach(), _version(given))
        else:
            self.kept[self.path] = Kept(self.path, given, 0)


def module_path(path: str) -> str:
    """Without the output that is chosen.

    >>> module_path("encoder.attend[1]")
    'encoder.attend'
    """
    return path.partition("[")[0]


def chosen_output(module: nn.Module, path: str, output: Any) -> Any:
    """The output that a path means (`OutputKeeper`)."""
    _, bracket, chosen = path.rstrip("]").partition("[")
    if bracket:
        return output[int(chosen) if chosen.isdigit() else chosen]
    if isinstance(module, nn.MultiheadAttention):
        return None if output[1] is None else by_query(output[1])
    return output[0] if isinstance(output, (tuple, list)) and output else output


def by_query(weights: Tensor) -> Tensor:
    """A map (clip, frame, query) from a MultiheadAttention's weights (clip, [head,] query, frame), heads averaged.

    More than `MOST_QUERIES` queries are averaged in bins.
    """
    weights = weights.detach()
    weights = weights.mean(dim=-3) if weights.ndim == 4 else weights
    weights = weights.unsqueeze(0) if weights.ndim == 2 else weights
    weights = weights.transpose(1, 2)
    return weights if weights.shape[-1] <= MOST_QUERIES else nn.functional.adaptive_avg_pool1d(weights, MOST_QUERIES)


def _version(tensor: Tensor) -> int:
    """How often it was changed in place; an inference tensor does not count."""
    return 0 if tensor.is_inference() else tensor._version
