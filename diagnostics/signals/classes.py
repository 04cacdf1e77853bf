from collections import deque
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from ..lwlrap import label_precisions
from .base import Batch, Signal, SignalInfo, Taken, Values

WINDOW = 50
"""Iterations of the running per-class lwlrap: 50 batches of 32 clips hold 24 positives of a class of 1.5 %; ours."""


class ClassScores(Signal):
    """Per-class lwlrap of the batch, and how many positive clips stand behind each number.

    A batch holds few positives of a class: read the two together, or take the running value.
    """

    subject = "classes"
    cost = "about 130 us for 32 x 80"
    infos = (
        SignalInfo("lwlrap", "[0, 1], by class", "lwlrap of the batch; NaN where a class had no positive clip"),
        SignalInfo("positives", "clips, by class", "positive clips of the class in the batch"),
        SignalInfo(
            "running_lwlrap", "[0, 1], by class", f"lwlrap over the positives of the newest {WINDOW} iterations"
        ),
    )

    def __init__(self) -> None:
        self._window: deque[np.ndarray] = deque()  # (2, class): sums of precisions, positives
        self._sums: np.ndarray | None = None

    def collect(self, batch: Batch, taken: Taken) -> Values:
        """By class; NaN where scores are NaN, nothing without outputs and targets."""
        if batch.outputs is None or batch.target is None:
            return {}
        positives = batch.target.sum(axis=0).astype(np.float32)
        if np.isnan(batch.outputs).any():
            lwlrap, counted = np.full(len(positives), np.nan), np.zeros_like(positives)
        else:
            lwlrap, counted = label_precisions(batch.outputs, batch.target).per_class, positives
        return {"lwlrap": lwlrap, "positives": positives, "running_lwlrap": self._running(lwlrap, counted)}

    def state(self) -> dict[str, Any]:
        """The window, and its sums to the last bit: they were added up in another order than it would give."""
        if self._sums is None:
            return {}
        return {"window": torch.from_numpy(np.stack(self._window)), "sums": torch.from_numpy(self._sums.copy())}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """As they were."""
        if state:
            self._window, self._sums = deque(state["window"].numpy().copy()), state["sums"].numpy().copy()

    def _running(self, lwlrap: np.ndarray, positives: np.ndarray) -> np.ndarray:
        """Each class's lwlrap over the window; NaN where it had no positive clip."""
        newest = np.stack([np.where(positives > 0, lwlrap * positives, 0), positives]).astype(np.float64)
        self._window.append(newest)
        self._sums = newest if self._sums is None else self._sums + newest
        if len(self._window) > WINDOW:
            self._sums = self._sums - self._window.popleft()
        precisions, counts = self._sums
        return np.divide(precisions, counts, out=np.full(len(counts), np.nan), where=counts > 0)
