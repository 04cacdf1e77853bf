"""What share of a score each part of a network carries, with an interval from resampling the clips; needs no torch."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pandas as pd

from .errors import ScoreError
from .lwlrap import CONSTANT_MARGIN, chance_level, constant_level, label_precisions

CONFIDENCE = 0.95

BYPASSED = 0.2
"""Share of the score below which, the interval's upper end included, a part carries next to none.

Source: ours; docs/design.md, Thresholds."""

STATISTICS = ("", ".low", ".high", ".score")
"""Endings of a part's four columns: the share, its interval, and the score without the part."""

ALL = {"rnns": "rnn", "attentions": "attention"}
"""Parts that are all of a kind at once, and how the names of that kind begin."""

Metric = Callable[[np.ndarray, np.ndarray], float]


@dataclass(frozen=True)
class PartShare:
    """What one part carries.

    part : its name, as in the columns (`rnn.gru`)
    label : what it is, in words
    score : of the network without it
    share : of the score above the floor; NaN where the whole network is at the constant level
    low, high : 95 % interval of the share, from resampled clips
    """

    part: str
    label: str
    score: float
    share: float
    low: float
    high: float


@dataclass(frozen=True)
class Ablation:
    """Scores of one network, whole and without each of its parts.

    score : of the whole network on the clips that were used
    chance, constant : what it must be held against; constant is NaN under a metric of one's own
    floor : what a share is counted from, max(chance, constant)
    """

    score: float
    chance: float
    constant: float
    floor: float
    n_clips: int
    parts: tuple[PartShare, ...]

    @property
    def table(self) -> pd.DataFrame:
        """Part x (score, share, low, high)."""
        rows = [(part.score, part.share, part.low, part.high) for part in self.parts]
        index = pd.Index([part.part for part in self.parts], name="part")
        return pd.DataFrame(rows, index=index, columns=["score", "share", "low", "high"], dtype=float)

    def row(self) -> dict[str, float]:
        """Columns of an evaluation's row: `ablation.<part>`, its `.low`, `.high` and `.score`, and what they are of.

        >>> Ablation(0.5, 0.1, 0.1, 0.1, 40, (PartShare("rnn.gru", "the GRU", 0.1, 1.0, 0.9, 1.1),)).row()
        ... # doctest: +NORMALIZE_WHITESPACE
        {'ablation_score': 0.5, 'ablation_floor': 0.1, 'ablation_clips': 40.0, 'ablation.rnn.gru': 1.0,
         'ablation.rnn.gru.low': 0.9, 'ablation.rnn.gru.high': 1.1, 'ablation.rnn.gru.score': 0.1}
        """
        columns = {"score": self.score, "floor": self.floor, "clips": float(self.n_clips)}
        row = {f"ablation_{name}": value for name, value in columns.items()}
        for part in self.parts:
            values = (part.share, part.low, part.high, part.score)
            row |= {f"ablation.{part.part}{end}": value for end, value in zip(STATISTICS, values, strict=True)}
        return row

    def __getitem__(self, part: str) -> PartShare:
        return next(found for found in self.parts if found.part == part)

    @property
    def different(self) -> list[PartShare]:
        """The parts, each once: a network's only RNN is not told again as all its RNNs."""
        names = [part.part for part in self.parts]
        once = {whole for whole, one in ALL.items() if sum(name.startswith(f"{one}.") for name in names) == 1}
        return [part for part in self.parts if part.part not in once]

    @property
    def has_shares(self) -> bool:
        """Whether there is anything to share out: the whole network is above the floor."""
        return any(np.isfinite(part.share) for part in self.parts)

    def __str__(self) -> str:
        return "\n".join([self.standing(), *(map(in_words, self.different) if self.has_shares else ())])

    def standing(self) -> str:
        """One sentence on the whole network's score."""
        levels = f"chance {self.chance:.3f}, constant {self.constant:.3f}".replace(", constant nan", "")
        score = f"score {self.score:.3f} ({levels}) on {self.n_clips} clips"
        return score if self.has_shares or not self.parts else f"{score}: at that level no part carries a share of it"


class Resampled(Protocol):
    """Scores outputs of the same clips, and of resamples of these clips, always the same ones."""

    n_clips: int
    chance: float
    constant: float
    floor: float
    floors: np.ndarray

    def __call__(self, outputs: np.ndarray) -> tuple[float, np.ndarray]:
        """The score, and (resample,) that of each resample; NaN for outputs that hold NaN."""
        ...


class LwlrapOf:
    """lwlrap on resampled clips: each clip's sum over its labels is taken once, a resample is a weighting of clips.

    target : (clip, class) multi-hot
    prior : (class,) of the training clips; None takes that of these clips, a slightly higher constant level
    """

    def __init__(self, target: np.ndarray, prior: np.ndarray | None, resamples: int, seed: int) -> None:
        self.target, self.n_clips = target > 0, len(target)
        by_prior = self.target.mean(axis=0) if prior is None else np.asarray(prior)
        self.chance, self.constant = chance_level(target), constant_level(target, by_prior)
        self.floor = max(self.chance, self.constant)
        rng = np.random.default_rng(seed)
        self._weights = rng.multinomial(self.n_clips, np.full(self.n_clips, 1 / self.n_clips), resamples).astype(float)
        self._labels = self.target.sum(axis=1).astype(float)  # (clip,)
        places = np.empty(len(by_prior))
        places[np.argsort(-by_prior, kind="stable")] = -np.arange(len(by_prior))
        constant = self._by_clip(np.broadcast_to(places, target.shape))
        self.floors = np.maximum(self._means(_chance_by_clip(self.target)), self._means(constant))

    def __call__(self, outputs: np.ndarray) -> tuple[float, np.ndarray]:
        """The score, and that of each resample."""
        try:
            by_clip = self._by_clip(outputs)
        except ScoreError:
            return np.nan, np.full(len(self._weights), np.nan)
        return float(by_clip.sum() / self._labels.sum()), self._means(by_clip)

    def _by_clip(self, scores: np.ndarray) -> np.ndarray:
        """(clip,) sum of the precisions at a clip's labels."""
        found = label_precisions(scores, self.target)
        return np.bincount(found.clip, weights=found.precision, minlength=self.n_clips)

    def _means(self, by_clip: np.ndarray) -> np.ndarray:
        labels = self._weights @ self._labels
        return (self._weights @ by_clip) / np.where(labels > 0, labels, np.nan)


class OwnMetric:
    """A metric of one's own on resampled clips: it is called for each resample.

    metric : (outputs, target) -> float, larger is better; both have clips first
    floor : what a network that ignores its input reaches
    """

    def __init__(self, metric: Metric, target: np.ndarray, floor: float, resamples: int, seed: int) -> None:
        self.metric, self.target, self.n_clips = metric, target, len(target)
        self.chance, self.constant, self.floor = floor, np.nan, floor
        self._drawn = np.random.default_rng(seed).integers(0, self.n_clips, (resamples, self.n_clips))
        self.floors = np.full(resamples, floor)

    def __call__(self, outputs: np.ndarray) -> tuple[float, np.ndarray]:
        """The score, and that of each resample."""
        drawn = [float(self.metric(outputs[clips], self.target[clips])) for clips in self._drawn]
        return float(self.metric(outputs, self.target)), np.array(drawn)


def shares(
    scorer: Resampled,
    whole: np.ndarray,
    without: Mapping[str, np.ndarray],
    labels: Mapping[str, str],
    margin: float = CONSTANT_MARGIN,
) -> Ablation:
    """What each part carries: (whole - without it) / (whole - floor), with a paired bootstrap over clips.

    whole : outputs of the whole network, clips first
    without : outputs without each part, by its name
    margin : how far above the floor the whole network must be for its parts to have shares; a resample that is not
        counts as if it were just there, so that no interval is infinite
    """
    score, resampled = scorer(whole)
    span = np.fmax(resampled - scorer.floors, margin if margin > 0 else np.finfo(float).tiny)
    has_learnt = score > scorer.floor + margin
    parts = []
    for part, outputs in without.items():
        ablated, of_resamples = scorer(outputs)
        share, low, high = np.nan, np.nan, np.nan
        if has_learnt and np.isfinite(ablated):
            share = (score - ablated) / (score - scorer.floor)
            ends = (1 - CONFIDENCE) / 2
            low, high = np.nanquantile((resampled - of_resamples) / span, [ends, 1 - ends])
        parts.append(PartShare(part, labels[part], ablated, share, float(low), float(high)))
    return Ablation(score, scorer.chance, scorer.constant, scorer.floor, scorer.n_clips, tuple(parts))


def in_words(share: PartShare) -> str:
    """One sentence on what a share means.

    >>> in_words(PartShare("rnn.gru", "the GRU gru", 0.202, 0.02, 0.0, 0.04))
    'the GRU gru carries 2 % of the score (0 to 4 %): it is bypassed'
    """
    if np.isnan(share.share):
        return f"{share.label}: no share ({'the score without it is NaN' if np.isnan(share.score) else 'no score'})"
    percent = [f"{round(value * 100) + 0:d}" for value in (share.share, share.low, share.high)]
    verb = "carry" if share.part in ALL or share.part.startswith("silence.band") else "carries"
    return f"{share.label} {verb} {percent[0]} % of the score ({percent[1]} to {percent[2]} %){meaning(share)}"


def meaning(share: PartShare) -> str:
    """What follows from a share, to stand behind it; empty where nothing does.

    >>> meaning(PartShare("rnn.gru", "the GRU gru", 0.3, 0.5, 0.4, 0.6))
    ''
    """
    kind = share.part.partition(".")[0]
    if share.high < -0.01:
        return ": the score is better without"
    if share.high < BYPASSED:
        words = {"rnn": "it is bypassed", "rnns": "they are bypassed", "frame_shuffle": "it hardly matters"}
        return f": {words.get(kind, 'nearly nothing is lost without')}"
    return ": nearly all is lost without" if share.low > 1 - BYPASSED else ""


def is_ablation_column(name: Any) -> bool:
    """Whether an evaluation's column is an ablation's.

    >>> is_ablation_column("ablation.rnn.gru"), is_ablation_column("ablation_clips"), is_ablation_column("lwlrap")
    (True, True, False)
    """
    return isinstance(name, str) and name.startswith(("ablation.", "ablation_"))


def _chance_by_clip(target: np.ndarray) -> np.ndarray:
    """(clip,) expected sum of precisions at a clip's labels under a random ranking."""
    n_labels, n_classes = target.sum(axis=1), target.shape[1]
    sums = {n: n * chance_level(np.arange(n_classes)[None] < n) if n else 0.0 for n in np.unique(n_labels).tolist()}
    return np.array([sums[n] for n in n_labels.tolist()])
