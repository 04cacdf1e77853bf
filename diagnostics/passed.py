"""What a training loop passes to `Recorder.step`, checked, and several calls of it as one row."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from . import device
from .errors import ShapeError
from .targets import as_number, as_scores, check_shape, counted_clips, multi_hot, range_of


@dataclass(frozen=True)
class Passed:
    """What one call of `step` passed, as arrays; what lay on a GPU is there still, as tensors, until the row is made.

    outputs : (clip, class)
    target : (clip, class) multi-hot bool, or as it was given on a GPU
    n_clips : how many clips of the target count (`counted_clips`); -1 where that is to be read yet
    unclipped_norm : of all gradients before clipping
    where : for messages
    target_range : smallest and largest entry of a multi-hot target
    """

    loss: Any
    outputs: Any
    target: Any
    n_clips: int
    unclipped_norm: Any
    where: str = "Recorder.step"
    target_range: tuple[float, float] = (math.nan, math.nan)

    def read(self) -> "Passed":
        """The same, once it is on the host.

        Raises ShapeError for a target that can be read only now and does not fit.
        """
        if self.target is None or self.n_clips >= 0 or self.outputs is None:
            return self
        hot = multi_hot(self.target, self.outputs.shape[1], self.where)
        return replace(self, target=hot, n_clips=counted_clips(self.target, hot), target_range=range_of(self.target))


class Intake:
    """Checks what a loop passes, and learns from it the number of classes and whether the model gives logits.

    classes : names, in the order of the scores; None numbers them once they are seen
    tell : called with what was learnt, by name
    """

    def __init__(self, classes: Sequence[str] | None, tell: Callable[..., None]) -> None:
        self.classes = None if classes is None else list(classes)
        self.output_kind: str | None = None
        self._tell = tell

    def passed(
        self, loss: Any, logits: Any, probabilities: Any, target: Any, unclipped_norm: Any, where: str
    ) -> Passed:
        """One call of `step`.

        Raises ShapeError where its parts do not fit together.
        """
        outputs = self.outputs(logits, probabilities, where)
        kind = "logits" if logits is not None else "probabilities"
        if outputs is not None and kind != self.output_kind:
            raise ShapeError(f"{kind}= after {self.output_kind}= ({where}); give what the model gives, always the same")
        labels, n_clips = self._labels(target, outputs, where)
        span = (math.nan, math.nan) if labels is None or n_clips < 0 else range_of(target)
        unclipped = as_number(unclipped_norm, "unclipped_norm", where)
        return Passed(as_number(loss, "loss", where), outputs, labels, n_clips, unclipped, where, span)

    def outputs(self, logits: Any, probabilities: Any, where: str) -> Any:
        """(clip, class) float32, whichever was given; None where neither was.

        Raises ShapeError for both, for other dimensions, and for a number of classes that is not that of their names.
        """
        given = the_one_given(logits, probabilities, where)
        if given is None:
            return None
        outputs = as_scores(given, where)
        if self.classes is None:
            self.classes = [str(number) for number in range(outputs.shape[1])]
            self._tell(classes=self.classes)
        if len(self.classes) != outputs.shape[1]:
            raise ShapeError(
                f"the output has {outputs.shape[1]} classes but classes= names {len(self.classes)} ({where}); "
                "build both from the same class list"
            )
        kind = "logits" if logits is not None else "probabilities"
        if self.output_kind is None:
            self.output_kind = kind
            self._tell(output_kind=kind)
        return outputs

    def _labels(self, target: Any, outputs: Any, where: str) -> tuple[Any, int]:
        """The target and how many clips of it count; from a GPU as it is, and -1: it is read when the row is made."""
        if target is None or self.classes is None:
            return None, 0
        check_shape(target, len(self.classes), where)
        check_same_clips(outputs, target, where)
        if device.is_on_device(target):
            return target.detach().clone(), -1
        labels = multi_hot(target, len(self.classes), where)
        return labels, counted_clips(target, labels)


def pooled(parts: list[Passed]) -> Passed:
    """Accumulated batches, on the host, as one: mean loss, clips together; None where one lacks what others have."""
    parts = [part.read() for part in parts]
    if len(parts) == 1:
        return parts[0]
    return Passed(
        float(np.mean([part.loss for part in parts])),
        _joined([part.outputs for part in parts]),
        _joined([part.target for part in parts]),
        sum(part.n_clips for part in parts),
        parts[-1].unclipped_norm,
        target_range=(
            float(np.fmin.reduce([part.target_range[0] for part in parts])),
            float(np.fmax.reduce([part.target_range[1] for part in parts])),
        ),
    )


def the_one_given(logits: Any, probabilities: Any, where: str) -> Any:
    """Logits or probabilities, None where neither was given.

    Raises ShapeError where both were.
    """
    if logits is not None and probabilities is not None:
        raise ShapeError(f"both logits= and probabilities= were given ({where}); give the one the model gives")
    return logits if logits is not None else probabilities


def check_same_clips(outputs: Any, target: Any, where: str) -> None:
    """Raise ShapeError if outputs and target are of different clips."""
    if outputs is not None and target is not None and len(outputs) != len(target):
        raise ShapeError(
            f"target has {len(target)} clips but the output has {len(outputs)} ({where}); pass one batch's"
        )


def _joined(arrays: list[np.ndarray | None]) -> np.ndarray | None:
    given = [array for array in arrays if array is not None]
    if len(given) != len(arrays):
        return None
    return np.concatenate(given)
