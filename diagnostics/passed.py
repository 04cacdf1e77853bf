"""What a training loop passes to `Recorder.step`, checked, and several calls of it as one row."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .errors import ShapeError
from .targets import counted_clips, multi_hot


@dataclass(frozen=True)
class Passed:
    """What one call of `step` passed, as arrays; what lay on a GPU is there still, as tensors, until the row is made.

    outputs : (clip, class)
    target : (clip, class) multi-hot bool, or as it was given on a GPU
    n_clips : how many clips of the target count (`counted_clips`); -1 where that is to be read yet
    unclipped_norm : of all gradients before clipping
    where : for messages
    """

    loss: Any
    outputs: Any
    target: Any
    n_clips: int
    unclipped_norm: Any
    where: str = "Recorder.step"

    def read(self) -> "Passed":
        """The same, once it is on the host.

        Raises ShapeError for a target that can be read only now and does not fit.
        """
        if self.target is None or self.n_clips >= 0 or self.outputs is None:
            return self
        hot = multi_hot(self.target, self.outputs.shape[1], self.where)
        return replace(self, target=hot, n_clips=counted_clips(self.target, hot))


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
