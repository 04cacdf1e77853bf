from __future__ import annotations

import numpy as np

from .errors import DataError


def k_fold(targets: np.ndarray, n_folds: int, seed: int) -> np.ndarray:
    """The fold of every clip, labels spread evenly over the folds (iterative stratification).

    The rarest label is dealt out first: each of its clips goes to the fold that still wants most of that label, ties to
    the fold that wants most clips, then at random. Clips without labels fill up the folds.

    targets : (clip, class) multi-hot
    Returns (clip,) int64 in 0 to n_folds - 1.
    Raises DataError if there are fewer clips than folds, or fewer than two folds.
    Source: Sechidis, Tsoumakas and Vlahavas 2011, "On the stratification of multi-label data", algorithm 1.
    """
    labels = np.asarray(targets) > 0  # (clip, class)
    if not 2 <= n_folds <= len(labels):
        raise DataError(
            f"{len(labels)} clips cannot be dealt into {n_folds} folds (data.n_folds); use 2 to {len(labels)}"
        )
    rng = np.random.default_rng(seed)
    folds = np.full(len(labels), -1, dtype=np.int64)
    wanted = np.tile(labels.sum(0) / n_folds, (n_folds, 1))  # (fold, class)
    room = np.full(n_folds, len(labels) / n_folds)
    left = labels.sum(0)  # clips of each label still to be dealt
    while left.any():
        rarest = int(np.argmin(np.where(left > 0, left, len(labels) + 1)))
        for clip in rng.permutation(np.flatnonzero(labels[:, rarest] & (folds < 0))):
            fold = _neediest(wanted[:, rarest], room, rng)
            folds[clip] = fold
            wanted[fold] -= labels[clip]
            room[fold] -= 1
            left = left - labels[clip]
    for clip in rng.permutation(np.flatnonzero(folds < 0)):
        fold = _neediest(room, room, rng)
        folds[clip] = fold
        room[fold] -= 1
    return folds


def _neediest(wanted: np.ndarray, room: np.ndarray, rng: np.random.Generator) -> int:
    best = np.flatnonzero(wanted == wanted.max())
    best = best[room[best] == room[best].max()]
    return int(best[0] if len(best) == 1 else rng.choice(best))
