from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from .clipset import ClipSet, SplitName
from .errors import DataError
from .stratification import k_fold

SEED_FRACTION = 0.33  # of the clips for validation: what the seed used (`test_size=.33`)


@dataclass(frozen=True)
class Split:
    """Indices into `ClipSet.clips` for training and for evaluation, and where the second come from.

    kind : "test" (the root's labelled test split), "seed" (a random third) or "fold"
    """

    train: np.ndarray  # (clip,) int64
    validation: np.ndarray  # (clip,) int64
    kind: Literal["test", "seed", "fold"]


def seed_split(n: int, seed: int, fraction: float = SEED_FRACTION) -> tuple[np.ndarray, np.ndarray]:
    """Indices of `n` clips split at random into training and validation, each in rising order.

    fraction : share of validation, rounded up, as scikit-learn's train_test_split does
    Returns two (clip,) int64 arrays, disjoint, together 0 to n-1.
    Raises DataError if one of the two would be empty.
    Source: the seed's 33 % split.
    """
    n_validation = math.ceil(n * fraction)
    if not 0 < n_validation < n:
        raise DataError(
            f"{n} clips cannot be split with a validation share of {fraction}; "
            "use at least 2 clips and a share between 0 and 1"
        )
    order = np.random.default_rng(seed).permutation(n)
    return np.sort(order[n_validation:]), np.sort(order[:n_validation])


def training_split(
    clipset: ClipSet, *, curated: bool = True, noisy: bool = True, seed: int, fold: int | None = None, n_folds: int = 5
) -> Split:
    """Which clips to train on and which to evaluate on.

    A root with a labelled test split is evaluated on it; without one the chosen clips are split the seed's way. With
    `fold` one of `n_folds` balanced parts of the curated clips is held out, and the noisy ones are trained on
    throughout, since a score on wrong labels says little (noisy ones alone are folded themselves).

    Raises DataError if no clip is chosen or `fold` is not below `n_folds`.
    Source: ours, so that a score is of clips that were kept for it where there are such; the seed's 33 %.
    """
    names: list[SplitName] = [name for name, wanted in (("curated", curated), ("noisy", noisy)) if wanted]  # pyright: ignore
    chosen = clipset.split(*names)
    if not len(chosen):
        what = f"has no {' and no '.join(names)} clips" if names else "is to be trained on without any clips"
        raise DataError(
            f"{clipset.root} {what} (data.curated, data.noisy); set another of the two to true or add clips"
        )
    if fold is not None:
        return _fold_split(clipset, chosen, seed, fold, n_folds)
    if clipset.has_labelled_test:
        return Split(chosen, clipset.split("test"), "test")
    train, validation = seed_split(len(chosen), seed)
    return Split(chosen[train], chosen[validation], "seed")


def _fold_split(clipset: ClipSet, chosen: np.ndarray, seed: int, fold: int, n_folds: int) -> Split:
    if not 0 <= fold < n_folds:
        raise DataError(f"fold {fold} is not one of {n_folds} (training_split); use 0 to {n_folds - 1}")
    is_curated = np.isin(chosen, clipset.split("curated"))
    folded = chosen[is_curated] if is_curated.any() else chosen
    folds = k_fold(clipset.targets(folded), n_folds, seed)
    validation = folded[folds == fold]
    return Split(np.setdiff1d(chosen, validation), validation, "fold")
