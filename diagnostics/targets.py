"""What a training loop passes, as numpy arrays: scores, targets, masks, and the class prior seen so far."""

from typing import Any

import numpy as np
from torch import Tensor

from .errors import ShapeError


def as_numpy(value: Any) -> np.ndarray:
    """A tensor or array on the CPU, without history; half precision becomes float32."""
    if isinstance(value, Tensor):
        value = value.detach()
        value = value.float() if value.is_floating_point() else value
        return value.cpu().numpy()
    return np.asarray(value)


def as_scores(value: Any, where: str) -> np.ndarray:
    """(clip, class) float32, a copy: a loop may use its own tensor again before the row is written.

    Raises ShapeError for anything but two dimensions.
    """
    scores = as_numpy(value)
    if scores.ndim != 2:
        raise ShapeError(
            f"the model's output has shape {scores.shape} ({where}); give (clip, class), "
            "or leave it out where the model gives something else"
        )
    return scores.astype(np.float32)


def multi_hot(target: Any, n_classes: int, where: str) -> np.ndarray:
    """(clip, class) bool from a multi-hot target or from (clip,) class indices.

    A soft target (mixup, label smoothing) counts as positive from 1/2 up.
    Raises ShapeError if the classes differ or an index lies outside them.
    """
    target = as_numpy(target)
    if target.ndim == 1:
        return _from_indices(target, n_classes, where)
    if target.ndim != 2:
        raise ShapeError(
            f"target has shape {target.shape} ({where}); give (clip, class) multi-hot or (clip,) class indices"
        )
    if target.shape[-1] != n_classes:
        raise ShapeError(
            f"target has {target.shape[-1]} classes but the output has {n_classes} ({where}); "
            "build both from the same class list"
        )
    return target >= 0.5


def _from_indices(target: np.ndarray, n_classes: int, where: str) -> np.ndarray:
    if not np.issubdtype(target.dtype, np.integer):
        raise ShapeError(
            f"target has one dimension and holds {target.dtype} ({where}); "
            "give class indices as integers, or (clip, class)"
        )
    outside = (target >= n_classes) | ((target < 0) & (target != -100))  # -100: ignored by PyTorch's cross-entropy
    if outside.any():
        raise ShapeError(
            f"target holds class {target[outside][0]} but the output has {n_classes} classes ({where}); "
            "build both from the same class list"
        )
    hot = np.zeros((len(target), n_classes), dtype=bool)
    counted = np.flatnonzero(target >= 0)
    hot[counted, target[counted]] = True
    return hot


def counted_clips(target: Any, hot: np.ndarray) -> int:
    """How many clips of a target count: all of a multi-hot one, of class indices those that are not ignored.

    PyTorch's cross-entropy leaves ignored clips (-100) out of its mean; a multi-hot clip without labels is in the mean.

    target : as the loop passed it
    hot : what `multi_hot` made of it
    """
    return int(hot.any(axis=1).sum()) if as_numpy(target).ndim == 1 else len(hot)


class RunningPrior:
    """Share of clips with each class, over all targets seen so far."""

    def __init__(self) -> None:
        self._positives: np.ndarray | None = None
        self._clips = 0
        self.fixed: np.ndarray | None = None

    def see(self, target: np.ndarray, n_clips: int | None = None) -> None:
        """Count a batch's (clip, class) targets; `n_clips` is how many of its clips count (None: all)."""
        positives = target.sum(axis=0).astype(np.float64)
        self._positives = positives if self._positives is None else self._positives + positives
        self._clips += len(target) if n_clips is None else n_clips

    @property
    def value(self) -> np.ndarray | None:
        """(class,) share; the fixed prior where one was set; None before the first clip that counts."""
        if self.fixed is not None:
            return self.fixed
        return None if self._positives is None or not self._clips else self._positives / self._clips


def to_float(value: Any, what: str, where: str) -> float:
    """A loss or norm as a Python float; None is NaN.

    Raises ShapeError for more than one number.
    """
    if value is None:
        return float("nan")
    value = as_numpy(value)
    if value.size != 1:
        raise ShapeError(f"{what} has shape {value.shape} ({where}); pass one number, such as the mean over the batch")
    return float(value.item())
