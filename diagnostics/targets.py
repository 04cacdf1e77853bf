"""What a training loop passes: scores, targets, numbers, and the class prior seen so far.

What lies on a GPU stays there, as a copy: nobody waits for it here. What lies on the CPU becomes a numpy array.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from . import device
from .errors import ShapeError


def as_numpy(value: Any) -> np.ndarray:
    """A tensor or array on the CPU, without history; half precision becomes float32."""
    if isinstance(value, Tensor):
        value = value.detach()
        value = value.float() if value.is_floating_point() else value
        return value.cpu().numpy()
    return np.asarray(value)


def as_scores(value: Any, where: str) -> Any:
    """(clip, class) float32, a copy: a loop may use its own tensor again before the row is written.

    Raises ShapeError for anything but two dimensions.
    """
    scores = value.detach() if device.is_on_device(value) else as_numpy(value)
    if scores.ndim != 2:
        raise ShapeError(
            f"the model's output has shape {tuple(scores.shape)} ({where}); give (clip, class), "
            "of one class logits[:, None], or leave it out where the model gives something else"
        )
    return scores.float().clone() if isinstance(scores, Tensor) else scores.astype(np.float32)


def as_mask(value: Any) -> Tensor | None:
    """A padding mask as a bool tensor where it lies."""
    if value is None:
        return None
    return value.detach().bool() if isinstance(value, Tensor) else torch.from_numpy(np.asarray(value).astype(bool))


def check_shape(target: Any, n_classes: int, where: str) -> None:
    """Raise ShapeError for a target that is neither (clip, class) nor (clip,) class indices."""
    shape = tuple(target.shape) if isinstance(target, Tensor) else np.shape(target)
    if len(shape) not in (1, 2):
        raise ShapeError(f"target has shape {shape} ({where}); give (clip, class) multi-hot or (clip,) class indices")
    if len(shape) == 2 and shape[1] != n_classes:
        raise ShapeError(
            f"target has {shape[1]} classes but the output has {n_classes} ({where}); "
            "build both from the same class list"
        )


def multi_hot(target: Any, n_classes: int, where: str) -> np.ndarray:
    """(clip, class) bool from a multi-hot target or from (clip,) class indices.

    A soft target (mixup, label smoothing) counts as positive from 1/2 up.
    Raises ShapeError if the classes differ or an index lies outside them.
    """
    target = as_numpy(target)
    check_shape(target, n_classes, where)
    return _from_indices(target, n_classes, where) if target.ndim == 1 else target >= 0.5


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


def range_of(target: Any) -> tuple[float, float]:
    """Smallest and largest entry of a multi-hot (clip, class) target; NaN for class indices and an empty one."""
    target = as_numpy(target)
    if target.ndim != 2 or not target.size:
        return math.nan, math.nan
    return float(target.min()), float(target.max())


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

    def state(self) -> dict[str, Any]:
        """What was counted."""
        positives = None if self._positives is None else torch.from_numpy(self._positives.copy())
        return {"positives": positives, "clips": self._clips}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Count on from there."""
        self._positives = None if state["positives"] is None else state["positives"].numpy().copy()
        self._clips = state["clips"]

    @property
    def value(self) -> np.ndarray | None:
        """(class,) share; the fixed prior where one was set; None before the first clip that counts."""
        if self.fixed is not None:
            return self.fixed
        return None if self._positives is None or not self._clips else self._positives / self._clips


def as_number(value: Any, what: str, where: str) -> Any:
    """A loss or norm as a Python float, or, from a GPU, as a copy that is not read yet; None is NaN.

    Raises ShapeError for more than one number.
    """
    if value is None:
        return float("nan")
    value = value.detach() if device.is_on_device(value) else as_numpy(value)
    if math.prod(value.shape) != 1:
        raise ShapeError(
            f"{what} has shape {tuple(value.shape)} ({where}); pass one number, such as the mean over the batch"
        )
    return value.reshape(()).clone() if isinstance(value, Tensor) else float(value.item())
