"""Label-weighted label-ranking average precision, lrap, and the levels to hold them against.

lwlrap is the mean over all (clip, true label) pairs of the precision at that label's rank: (true labels ranked at or
above it) / (all classes ranked at or above it). Source: Fonseca et al. 2019 (FSDKaggle2019's metric, 1906.02975).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from .errors import ScoreError, ShapeError

Ties = Literal["pessimistic", "reference"]

PAIRS_AT_ONCE = 4_000_000
"""(label, class) comparisons held in memory at a time: 4 MB of booleans; the scores gathered for them add 16-32 MB
(float32 to float64)."""

CONSTANT_MARGIN = 0.02
"""How far above max(chance, constant) a score must lie to count as learnt, in lwlrap.

Source: ours, measured on collapsed and learning runs; docs/design.md, Thresholds.
"""


@dataclass(frozen=True)
class LabelPrecisions:
    """Precision at each true label.

    clip, label, precision : (pair,) the clip, the class, the precision at its rank
    shape : (clips, classes) of the scores
    """

    clip: np.ndarray
    label: np.ndarray
    precision: np.ndarray
    shape: tuple[int, int]

    @property
    def lwlrap(self) -> float:
        """Mean over pairs; NaN where no clip has a label."""
        return float(self.precision.mean()) if self.precision.size else float("nan")

    @property
    def lrap(self) -> float:
        """Mean over clips that have labels of the clip's mean precision; NaN where none has."""
        per_clip = self._means(self.clip, self.shape[0])
        return float(np.nanmean(per_clip)) if self.precision.size else float("nan")

    @property
    def per_class(self) -> np.ndarray:
        """(class,) mean precision of each class; NaN for a class without positive clips."""
        return self._means(self.label, self.shape[1])

    @property
    def positives(self) -> np.ndarray:
        """(class,) number of clips with the label."""
        return np.bincount(self.label, minlength=self.shape[1])

    def _means(self, group: np.ndarray, n_groups: int) -> np.ndarray:
        if not self.precision.size:
            return np.full(n_groups, np.nan)
        counts = np.bincount(group, minlength=n_groups)
        sums = np.bincount(group, weights=self.precision, minlength=n_groups)
        return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)


def label_precisions(scores: np.ndarray, target: np.ndarray, ties: Ties = "pessimistic") -> LabelPrecisions:
    """Precision at the rank of every true label.

    scores : (clip, class) float, larger is more likely; logits or probabilities alike, only their order counts
    target : (clip, class) multi-hot
    ties : "pessimistic" ranks a label below every class that ties with it, as scikit-learn does; "reference" takes the
        arbitrary order of a sort, as the competition's published loop does (for comparing with published numbers only:
        a collapsed net, all scores equal, gets .065 so and .017 the pessimistic way)
    Raises ShapeError if the shapes differ, ScoreError for NaN.

    >>> label_precisions(np.array([[0.9, 0.5, 0.1]]), np.array([[0, 1, 1]])).precision
    array([0.5       , 0.66666667])
    """
    scores, target = _checked(scores, target)
    clip, label = np.nonzero(target)
    if ties == "reference":
        precision = _reference_precision(scores, target, clip, label)
    else:
        parts = [_pessimistic_precision(scores, target, clip[part], label[part]) for part in _parts(clip.size, scores)]
        precision = np.concatenate(parts) if parts else np.empty(0)
    return LabelPrecisions(clip, label, precision, (scores.shape[0], scores.shape[1]))


def lwlrap(scores: np.ndarray, target: np.ndarray, ties: Ties = "pessimistic") -> float:
    """Label-weighted label-ranking average precision of (clip, class) scores against multi-hot targets.

    Equals scikit-learn's label_ranking_average_precision_score with labels per clip as weights, once clips without
    labels are dropped.

    scores, target, ties : as in `label_precisions`, which says what is raised
    Returns NaN where no clip has a label.

    >>> lwlrap(np.array([[0.9, 0.5, 0.1]]), np.array([[1, 0, 0]]))
    1.0
    """
    return label_precisions(scores, target, ties).lwlrap


def per_class_lwlrap(scores: np.ndarray, target: np.ndarray, ties: Ties = "pessimistic") -> np.ndarray:
    """(class,) lwlrap of each class; their mean weighted by label share is lwlrap.

    Returns NaN for a class without positive clips.
    """
    return label_precisions(scores, target, ties).per_class


def lrap(scores: np.ndarray, target: np.ndarray, ties: Ties = "pessimistic") -> float:
    """Label-ranking average precision: lwlrap with every clip, not every label, weighing the same.

    Clips without labels are left out (scikit-learn counts them as 1).
    """
    return label_precisions(scores, target, ties).lrap


def tie_share(scores: np.ndarray) -> float:
    """Share of neighbours in each clip's ranking whose scores are equal: 0 none, 1 all.

    >>> tie_share(np.zeros((2, 5)))
    1.0
    """
    ranked = np.sort(np.asarray(scores), axis=1)
    neighbours = ranked[:, 1:] == ranked[:, :-1]
    return float(neighbours.mean()) if neighbours.size else 0.0


def chance_level(target: np.ndarray) -> float:
    """Expected lwlrap of a random ranking.

    For a clip with n of K labels (H_K + (n-1)(K-H_K)/(K-1)) / K, H_K the harmonic number; averaged over labels.

    target : (clip, class) multi-hot
    Returns NaN where no clip has a label.
    Source: ours, from the hypergeometric expectation of hits above a label; the tests enumerate all rankings of few.

    >>> round(chance_level(np.eye(80)), 3)
    0.062
    """
    target = np.asarray(target) > 0
    n_labels, n_classes = target.sum(axis=1), target.shape[1]
    if not n_labels.sum():
        return float("nan")
    harmonic = (1 / np.arange(1, n_classes + 1)).sum()
    per_clip = (harmonic + (n_labels - 1) * (n_classes - harmonic) / max(n_classes - 1, 1)) / n_classes
    return float((per_clip * n_labels).sum() / n_labels.sum())


def constant_level(target: np.ndarray, prior: np.ndarray) -> float:
    """Score of one ranking for all clips, by the training prior: what a net that ignores its input can reach.

    target : (clip, class) multi-hot, of the clips that are scored
    prior : (class,) share of training clips with the class; ties keep the order of the classes
    Raises ShapeError if prior and target differ in classes.
    """
    if np.shape(prior) != np.shape(target)[1:]:
        raise ShapeError(
            f"prior has {len(prior)} classes but target has {np.shape(target)[1]} (constant_level); "
            "build both from the same class list"
        )
    places = np.empty(len(prior))
    places[np.argsort(-np.asarray(prior), kind="stable")] = -np.arange(len(prior))
    return lwlrap(np.broadcast_to(places, np.shape(target)), target)


def at_constant_level(score: float, chance: float, constant: float) -> bool | None:
    """Whether a score shows nothing learnt: not above max(chance, constant) + .02; None where that cannot be said.

    >>> at_constant_level(0.50, chance=0.40, constant=0.49), at_constant_level(0.52, chance=0.40, constant=0.49)
    (True, False)
    """
    level = float(np.fmax(chance, constant))
    return None if np.isnan(score) or np.isnan(level) else bool(score <= level + CONSTANT_MARGIN)


def _checked(scores: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    scores, target = np.asarray(scores), np.asarray(target) > 0
    if scores.ndim != 2 or scores.shape != target.shape:
        raise ShapeError(
            f"scores are {scores.shape} but target is {target.shape} (lwlrap); "
            "both must be (clip, class) of the same clips"
        )
    if np.isnan(scores).any():
        bad = np.flatnonzero(np.isnan(scores).any(axis=1))
        raise ScoreError(
            f"scores hold NaN in {bad.size} of {len(scores)} clips, the first is clip {bad[0]} (lwlrap); "
            "a NaN has no rank: find the iteration where the loss became NaN"
        )
    return scores, target


def _parts(n_pairs: int, scores: np.ndarray) -> Iterator[slice]:
    size = max(1, PAIRS_AT_ONCE // max(scores.shape[1], 1))
    return (slice(start, start + size) for start in range(0, n_pairs, size))


def _pessimistic_precision(scores: np.ndarray, target: np.ndarray, clip: np.ndarray, label: np.ndarray) -> np.ndarray:
    at_or_above = scores[clip] >= scores[clip, label][:, None]  # (pair, class)
    return (at_or_above & target[clip]).sum(axis=1) / at_or_above.sum(axis=1)


def _reference_precision(scores: np.ndarray, target: np.ndarray, clip: np.ndarray, label: np.ndarray) -> np.ndarray:
    order = np.argsort(scores, axis=1)[:, ::-1]  # (clip, rank) -> class
    rank = np.empty_like(order)
    np.put_along_axis(rank, order, np.arange(scores.shape[1])[None, :], axis=1)
    hits = np.cumsum(np.take_along_axis(target, order, axis=1), axis=1)  # (clip, rank)
    at = rank[clip, label]
    return hits[clip, at] / (at + 1)
