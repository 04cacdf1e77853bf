"""What a caller hands over: a batch in one of several forms, and what of the model's output are scores."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence, pad_packed_sequence

from ..errors import FlatlineError

KEYS = ("inputs", "target", "mask")
SCORES = ("logits", "probabilities", "scores", "output")
"""Names under which a dict of outputs may hold the scores."""


class CheckError(FlatlineError):
    """A model, loss or batch that cannot be run at all."""


@dataclass(frozen=True)
class Batch:
    """A batch: what the model takes, what the loss compares with, and which frames are real.

    inputs : a tensor, a PackedSequence, a tuple of positional or a dict of keyword arguments
    target : whatever the loss takes; None where there is none
    mask : (clip, frame) bool, handed to the model after the inputs; None is not handed over
    """

    inputs: Any
    target: Any = None
    mask: Tensor | None = None

    def call(self, model: Any) -> Any:
        """The model's output on copies of the inputs, which a forward pass may overwrite."""
        inputs, mask = copied(self.inputs), copied(self.mask)
        if isinstance(inputs, Mapping):
            return model(**inputs) if mask is None else model(**inputs, mask=mask)
        positional = inputs if isinstance(inputs, tuple | list) and not is_packed(inputs) else (inputs,)
        return model(*positional) if mask is None else model(*positional, mask)

    def tensors(self) -> list[Tensor]:
        """The input tensors; a packed sequence (clip, frame, feature), padded with zeros."""
        return list(tensors_in(self.inputs, padded=True))

    @property
    def n_clips(self) -> int | None:
        """Clips by the target, else by the first input; None where neither says."""
        for tensor in (self.target, *self.tensors()):
            if isinstance(tensor, Tensor) and tensor.ndim:
                return len(tensor)
        return None


def as_batch(given: Any) -> Batch:
    """A batch from (inputs, target), (inputs, target, mask) or a dict with these names.

    Raises CheckError for anything else.
    """
    if isinstance(given, Batch):
        return given
    if isinstance(given, Mapping):
        if "inputs" not in given or set(given) - set(KEYS):
            raise CheckError(
                f"batch has the keys {', '.join(map(str, given)) or 'none'} (check); give inputs, target and mask"
            )
        return Batch(**given)
    if isinstance(given, tuple | list) and not is_packed(given) and 2 <= len(given) <= 3:
        return Batch(*given)
    size = f" of {len(given)}" if isinstance(given, tuple | list) else ""
    raise CheckError(
        f"batch is a {type(given).__name__}{size} (check); give (inputs, target) or (inputs, target, mask)"
    )


def scores_in(output: Any) -> Tensor | None:
    """The scores of an output: the tensor itself, the first of a tuple, or what a dict has under a name for scores.

    Returns None where there is no floating tensor to be found so.
    """
    if isinstance(output, PackedSequence):
        return output.data
    if isinstance(output, Mapping):
        named = [output[name] for name in SCORES if name in output]
        output = named[0] if named else next(iter(output.values()), None)
    elif isinstance(output, tuple | list):
        output = output[0] if len(output) else None
    if isinstance(output, tuple | list | PackedSequence):
        return scores_in(output)
    return output if isinstance(output, Tensor) and output.is_floating_point() else None


def is_packed(value: Any) -> bool:
    """Whether it is a PackedSequence, which is a tuple too."""
    return isinstance(value, PackedSequence)


def tensors_in(value: Any, padded: bool = False) -> Iterator[Tensor]:
    """The tensors in nested tuples, lists and dicts; of packed sequences the data, or all, padded."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, PackedSequence):
        yield pad_packed_sequence(value, batch_first=True)[0] if padded else value.data
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from tensors_in(inner, padded)
    elif isinstance(value, tuple | list):
        for inner in value:
            yield from tensors_in(inner, padded)


def copied(value: Any) -> Any:
    """The same with tensors of its own."""
    if isinstance(value, Tensor):
        return value.detach().clone().requires_grad_(value.requires_grad)
    if isinstance(value, PackedSequence):
        return value._replace(data=copied(value.data))
    if isinstance(value, Mapping):
        return {key: copied(inner) for key, inner in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*map(copied, value))
    return type(value)(map(copied, value)) if isinstance(value, tuple | list) else value


def n_nonfinite(tensor: Tensor) -> int:
    """How many of its numbers are NaN or infinite; 0 for integers."""
    if not (tensor.is_floating_point() or tensor.is_complex()) or tensor.is_meta:
        return 0
    values = tensor.detach()
    return int((~torch.isfinite(values.coalesce().values() if values.is_sparse else values)).sum())
