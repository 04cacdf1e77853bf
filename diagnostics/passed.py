"""What a training loop passes to `Recorder.step`, checked, and several calls of it as one row."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from .errors import ShapeError


@dataclass(frozen=True)
class Passed:
    """What one call of `step` passed.

    outputs, target : (clip, class)
    unclipped_norm : of all gradients before clipping
    n_clips : how many clips of the target count (`counted_clips`)
    """

    loss: float
    outputs: np.ndarray | None
    target: np.ndarray | None
    unclipped_norm: float
    n_clips: int = 0


def pooled(parts: list[Passed]) -> Passed:
    """Accumulated batches as one: mean loss, clips together; None where one lacks what the others have."""
    if len(parts) == 1:
        return parts[0]
    return Passed(
        float(np.mean([part.loss for part in parts])),
        _joined([part.outputs for part in parts]),
        _joined([part.target for part in parts]),
        parts[-1].unclipped_norm,
        sum(part.n_clips for part in parts),
    )


def the_one_given(logits: Any, probabilities: Any, where: str) -> Any:
    """Logits or probabilities, None where neither was given.

    Raises ShapeError where both were.
    """
    if logits is not None and probabilities is not None:
        raise ShapeError(f"both logits= and probabilities= were given ({where}); give the one the model gives")
    return logits if logits is not None else probabilities


def check_same_clips(outputs: np.ndarray | None, target: np.ndarray | None, where: str) -> None:
    """Raise ShapeError if outputs and target are of different clips."""
    if outputs is not None and target is not None and len(outputs) != len(target):
        raise ShapeError(
            f"target has {len(target)} clips but the output has {len(outputs)} ({where}); pass one batch's"
        )


def _joined(arrays: list[np.ndarray | None]) -> np.ndarray | None:
    given = [array for array in arrays if array is not None]
    return np.concatenate(given) if len(given) == len(arrays) else None
