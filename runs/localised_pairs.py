"""Scores of clips and their true classes, by frame, made a table."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..diagnostics.localisation import (
    SHARES,
    Seconds,
    chance,
    counts_by_share,
    events_in,
    fitted_shares,
    frame_counts,
    frame_f1,
    pointing_game,
    relative,
)
from .event_scores import Found, event_f1, psds
from .localisation_store import ALL, Score

AT = SHARES[[4, 9, 14, 19, 29, 39, 59, 99, 149]]
"""Shares of a clip's peak at which PSDS looks, .025 to .75; ours: psds_eval takes .1 s for each, and it is the low
ones, where whole events stand out of a peaked map, that decide (of `story-published` .754 by 39, .744 by these)."""


@dataclass(frozen=True, eq=False)
class Pair:
    """A clip and one of its true classes.

    clip : its number among those that are looked at
    events : true onsets and offsets of the class, within what the network sees, none overlapping
    truth : (frame,) bool, of real frames (`diagnostics.localisation.true_frames`)
    frame_s : seconds between frames
    """

    clip: int
    name: str
    class_name: str
    events: tuple[Seconds, ...]
    truth: np.ndarray
    frame_s: float


@dataclass(frozen=True, eq=False)
class Way:
    """One way's scores.

    values : (frame,) for each pair, as the map or the attribution has them
    informative : for each pair; None of the network's own maps. Where it is False the frames count as all alike: no
        frame stands out and none is marked
    """

    name: str
    values: Sequence[np.ndarray]
    informative: Sequence[bool] | None = None


def scored(way: Way, pairs: Sequence[Pair], classes: Sequence[str]) -> tuple[list[Score], list[float]]:
    """Rows of a way, all classes first, then each that has a pair; and the thresholds of the two halves of the clips.

    Pointing game and F1 are over pairs, frames and events together, not means over classes. A row without an
    informative pair has no scores.
    """
    shares = [_relative(way, place) for place in range(len(pairs))]
    clips = np.array([pair.clip for pair in pairs])
    counts = np.stack([counts_by_share(share, pair.truth) for share, pair in zip(shares, pairs, strict=True)])
    thresholds = fitted_shares(counts, clips)
    decided = [share >= threshold for share, threshold in zip(shares, thresholds, strict=True)]
    true = [Found(_key(pair), pair.class_name, pair.events) for pair in pairs]
    detected = [_found(pair, marked) for pair, marked in zip(pairs, decided, strict=True)]
    by_pair = _ByPair(way, pairs, shares, decided, event_f1(true, detected), _psds(pairs, shares, true))
    places: dict[str | None, list[int]] = {None: list(range(len(pairs)))}
    places |= {name: [i for i, pair in enumerate(pairs) if pair.class_name == name] for name in classes}
    rows = [by_pair.row(name, of) for name, of in places.items() if of]
    return rows, [float(thresholds[clips % 2 == half][0]) for half in (0, 1) if (clips % 2 == half).any()]


@dataclass(frozen=True, eq=False)
class _ByPair:
    way: Way
    pairs: Sequence[Pair]
    shares: Sequence[np.ndarray]
    decided: Sequence[np.ndarray]
    event_f1: Mapping[str | None, float]
    psds: float

    def row(self, class_name: str | None, of: Sequence[int]) -> Score:
        """Of the pairs at these places; NaN where no attribution says anything."""
        pairs = [self.pairs[place] for place in of]
        known = None if self.way.informative is None else sum(self.way.informative[place] for place in of)
        scores = (math.nan,) * 4 if known == 0 else self._scores(class_name, of)
        pointing, frames, events, whole = scores
        level = float(np.mean([chance(pair.truth) for pair in pairs]))
        name = ALL if class_name is None else class_name
        return Score(self.way.name, name, pointing, level, frames, events, whole, len(of), known)

    def _scores(self, class_name: str | None, of: Sequence[int]) -> tuple[float, float, float, float]:
        hits = [pointing_game(self.shares[place], self.pairs[place].truth) for place in of]
        counts = sum(frame_counts(self.decided[place], self.pairs[place].truth) for place in of)
        whole = self.psds if class_name is None else math.nan
        return float(np.mean(hits)), frame_f1(np.asarray(counts)), self.event_f1[class_name], whole


def _relative(way: Way, place: int) -> np.ndarray:
    values = way.values[place]
    if way.informative is not None and not way.informative[place]:
        return np.zeros(len(values))
    return relative(values)


def _found(pair: Pair, decided: np.ndarray) -> Found:
    return Found(_key(pair), pair.class_name, events_in(decided, pair.frame_s))


def _key(pair: Pair) -> str:
    return f"{pair.clip:06d}-{pair.name}"


def _psds(pairs: Sequence[Pair], shares: Sequence[np.ndarray], true: Sequence[Found]) -> float:
    durations: Mapping[str, float] = {_key(pair): len(pair.truth) * pair.frame_s for pair in pairs}
    at_each = (
        [_found(pair, share >= threshold) for pair, share in zip(pairs, shares, strict=True)] for threshold in AT
    )
    return psds(true, at_each, dict(durations))
