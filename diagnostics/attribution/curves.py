"""Deletion and insertion: how fast the output falls and rises with what an attribution calls important."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .explained import Explained
from .names import Grain

POINTS = 16
"""Steps in which a clip is taken away; ours."""

ORDERS = 5
"""Random orders beside; ours."""

PATCH = (4, 4)
"""Frames and mel bins that are changed at once for a method that tells cells apart; ours: one silent cell amid a sound
is nothing that a network ever heard, and a sixteenth of all cells, drawn at random, ends the story nets' answer."""


@dataclass(frozen=True, eq=False)
class Curves:
    """The output while the clip becomes the baseline, and back; areas are means over the way.

    fraction : (POINTS + 1,) of the clip's patches, frames or mel bins that were changed, the most positive first
    deletion : (POINTS + 1,) the output while these become the baseline: a good order falls at once
    insertion : (POINTS + 1,) the output while the baseline becomes the clip: a good order rises at once
    random_deletion, random_insertion : (order, POINTS + 1) the same for random orders
    """

    fraction: np.ndarray
    deletion: np.ndarray
    insertion: np.ndarray
    random_deletion: np.ndarray
    random_insertion: np.ndarray

    @property
    def areas(self) -> dict[str, float]:
        """Area under each curve, and mean and standard deviation of those of the random orders."""
        deleted, inserted = area(self.random_deletion), area(self.random_insertion)
        return {
            "deletion_area": float(area(self.deletion)),
            "deletion_area_random": float(deleted.mean()),
            "deletion_area_random_std": float(deleted.std()),
            "insertion_area": float(area(self.insertion)),
            "insertion_area_random": float(inserted.mean()),
            "insertion_area_random_std": float(inserted.std()),
        }


def area(curve: np.ndarray) -> np.ndarray:
    """Mean height of curves (..., point) by the trapezoid rule.

    >>> float(area(np.array([1.0, 0.5, 0.0])))
    0.5
    """
    return (curve[..., 1:] + curve[..., :-1]).mean(axis=-1) / 2


def curves(given: Explained, values: Tensor, grain: Grain, ends: tuple[float, float], seed: int) -> Curves:
    """The curves of an attribution (Petsiuk et al. 2018), and of random orders of the same grain.

    Of equal values the earlier come first.

    values : (frame, mel)
    ends : outputs of the clip and of the baseline
    """
    means, units = _units(values, grain)
    n = len(means)
    rng = np.random.default_rng(seed)
    order = np.argsort(-means, kind="stable")
    orders = [order, order[::-1], *(rng.permutation(n) for _ in range(ORDERS))]
    fraction = np.linspace(0, 1, POINTS + 1)
    counts = np.round(fraction * n).astype(int)
    gone = np.zeros((len(orders), POINTS - 1, n), dtype=bool)
    for row, one in zip(gone, orders, strict=True):
        for point, count in zip(row, counts[1:-1], strict=True):
            point[one[:count]] = True
    mask = torch.from_numpy(gone[..., units].reshape(-1, *units.shape)).to(given.clip.device)
    inner = _outputs(given, mask).reshape(len(orders), -1)
    whole, nothing = (np.full((len(orders), 1), end) for end in ends)
    falling = np.hstack([whole, inner, nothing])
    # Deleting in the reverse order leaves the most important for last: backwards, that is the insertion.
    return Curves(fraction, falling[0], falling[1, ::-1], falling[2:], falling[2:, ::-1])


def _units(values: Tensor, grain: Grain) -> tuple[np.ndarray, np.ndarray]:
    """(unit,) mean value of what is changed at once, and (frame, mel) the unit of each cell."""
    found = values.double().cpu().numpy()
    size = {"frame": (1, found.shape[1]), "mel": (len(found), 1), "cell": PATCH}[grain]
    rows, columns = (np.arange(n) // step for n, step in zip(found.shape, size, strict=True))
    units = rows[:, None] * (columns[-1] + 1) + columns  # (frame, mel)
    return np.bincount(units.ravel(), found.ravel()) / np.bincount(units.ravel()), units


def _outputs(given: Explained, gone: Tensor) -> np.ndarray:
    parts = [given.outputs(torch.where(some, given.baseline, given.clip)) for some in gone.split(given.batch)]
    return np.concatenate(parts)
