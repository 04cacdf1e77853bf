"""When a class is heard, by frame, against true onsets; pure numbers.

A score by frame says of one clip and one of its true classes how much each frame counts: a map of the network, or an
attribution. It is judged as a share of the clip's own peak, given that the class is there: whether it is there at all
is for lwlrap to say.
"""

from collections.abc import Iterable, Sequence

import numpy as np

from .errors import ShapeError

SHARES = np.arange(1, 200) / 200
"""Shares of a clip's peak that are tried as the threshold above which a frame counts; ours: what fits best lies
anywhere from .03 (an attribution's narrow peak on a broad foot) to .98 (a sigmoid that never comes near 0)."""

DEFAULT_SHARE = 0.5
"""Where there are no other clips to fit it on."""

MAGNITUDES = ("saliency",)
"""Methods whose values are no contributions but sensitivities: it is their size that says where, not their sign."""

Seconds = tuple[float, float]


def true_frames(events: Iterable[Seconds], n_frames: int, frame_s: float) -> np.ndarray:
    """(frame,) bool: whether a frame lies in one of the events.

    Frame i is centred at `i * frame_s` and stands for half a hop to either side. It lies in an event that covers half
    of that or more, or half of which lies in it, so that an event shorter than a hop is never between two frames.

    events : (onset, offset) in seconds

    >>> true_frames([(0.25, 0.5)], 5, 0.1).tolist()
    [False, False, False, True, True]
    """
    starts = (np.arange(n_frames) - 0.5) * frame_s
    found = np.zeros(n_frames, dtype=bool)
    for onset, offset in events:
        shared = np.minimum(starts + frame_s, offset) - np.maximum(starts, onset)
        found |= (shared > 0) & (shared >= 0.5 * min(frame_s, offset - onset) * (1 - 1e-9))
    return found


def frame_values(attribution: np.ndarray, method: str) -> np.ndarray:
    """(frame, mel) -> (frame,): what each frame adds to the class's output.

    The sum over mel bins, signs included: of methods that add up it is the frame's own part of output - baseline
    output, so that what speaks for a class and what speaks against it in the same frame cancel as they do in the
    network. Of `MAGNITUDES` the sum of absolute values.

    >>> frame_values(np.array([[2.0, -1.0], [0.0, -3.0]]), "occlusion").tolist()
    [1.0, -3.0]
    >>> frame_values(np.array([[2.0, -1.0], [0.0, -3.0]]), "saliency").tolist()
    [3.0, 3.0]
    """
    values = np.asarray(attribution, dtype=np.float64)
    return (np.abs(values) if method in MAGNITUDES else values).sum(axis=1)


def drawn_out(values: np.ndarray, n_frames: int) -> np.ndarray:
    """(map frame, ...) -> (frame, ...): each frame's value in a map that has fewer, equally wide ones.

    >>> drawn_out(np.array([1.0, 2.0]), 5).tolist()
    [1.0, 1.0, 2.0, 2.0, 2.0]
    """
    centres = (np.arange(n_frames) + 0.5) * (len(values) / n_frames)
    return values[centres.astype(int)]


def relative(scores: np.ndarray) -> np.ndarray:
    """(frame,) in [0, 1]: shares of the clip's peak; 0 where they are negative, and throughout where no frame counts.

    Raises ShapeError for anything but one finite value a frame.

    >>> relative(np.array([-1.0, 2.0, 4.0])).tolist(), relative(np.array([-1.0, -2.0])).tolist()
    ([0.0, 0.5, 1.0], [0.0, 0.0])
    """
    values = np.asarray(scores, dtype=np.float64)
    if values.ndim != 1 or not values.size or not np.isfinite(values).all():
        raise ShapeError(f"scores have shape {values.shape} or are not finite (relative); give (frame,) floats")
    positive = np.maximum(values, 0.0)
    peak = positive.max()
    return positive / peak if peak > 0 else positive


def pointing_game(scores: np.ndarray, truth: np.ndarray) -> float:
    """Whether the highest frame is a true one: 1, 0, or, of several equally high, the share that are.

    So one value throughout reaches exactly `chance`. No tolerance beyond the frame's own hop (`true_frames`).

    scores : (frame,) of the clip's real frames
    truth : (frame,) bool
    Raises ShapeError if they differ in frames.
    Source: Zhang et al. 2018 (Excitation Backprop), the pointing game, over time.
    """
    if scores.shape != truth.shape:
        raise ShapeError(f"{len(scores)} scores for {len(truth)} frames (pointing_game); give the same frames")
    return float(truth[scores == scores.max()].mean())


def chance(truth: np.ndarray) -> float:
    """What a frame drawn at random reaches in the pointing game: the share of the real frames that are true."""
    return float(truth.mean())


def frame_f1(counts: np.ndarray) -> float:
    """F1 of (true positives, false positives, false negatives); NaN where all are 0.

    >>> frame_f1(np.array([2, 1, 1]))
    0.6666666666666666
    """
    hits, false, missed = (float(one) for one in counts)
    return 2 * hits / (2 * hits + false + missed) if hits + false + missed else float("nan")


def frame_counts(decided: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """(..., 3): true positives, false positives and false negatives of frames (..., frame)."""
    return np.stack(
        [(decided & truth).sum(axis=-1), (decided & ~truth).sum(axis=-1), (~decided & truth).sum(axis=-1)], axis=-1
    )


def counts_by_share(scores: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """(share, 3) of `frame_counts` for each of `SHARES`.

    scores : (frame,) as `relative` gives them
    """
    return frame_counts(scores >= SHARES[:, None], truth)


def fitted_shares(counts: np.ndarray, clips: np.ndarray) -> np.ndarray:
    """(pair,) the threshold of each pair, fitted on the pairs of the other half of the clips.

    Clips take turns between the halves; the threshold of a half is the share of the peak at which the pairs of the
    other half together have the highest frame F1 (of several the middle one). So no pair has a say in its own, and a
    way that gives narrow peaks is not set back behind one that gives broad ones.

    counts : (pair, share, 3) of `counts_by_share`
    clips : (pair,) numbers of the clips, from 0
    """
    halves = clips % 2
    own = {half: _best_share(counts[halves != half]) for half in (0, 1)}
    return np.array([own[half] for half in halves])


def _best_share(counts: np.ndarray) -> float:
    if not len(counts):
        return DEFAULT_SHARE
    scores = np.array([frame_f1(one) for one in counts.sum(axis=0)])  # (share,)
    best = np.flatnonzero(scores >= np.nanmax(scores) - 1e-12) if np.isfinite(scores).any() else np.array([])
    return float(SHARES[best[len(best) // 2]]) if best.size else DEFAULT_SHARE


def events_in(decided: np.ndarray, frame_s: float) -> list[Seconds]:
    """(onset, offset) in seconds of each stretch of frames that count, from half a hop before to half a hop after.

    >>> events_in(np.array([True, True, False, True]), 0.5)
    [(0.0, 0.75), (1.25, 1.75)]
    """
    steps = np.diff(np.concatenate([[0], np.asarray(decided, dtype=np.int8), [0]]))
    pairs: Sequence[tuple[int, int]] = list(
        zip(np.flatnonzero(steps == 1).tolist(), np.flatnonzero(steps == -1).tolist(), strict=True)
    )
    return [(max(0.0, (first - 0.5) * frame_s), (last - 0.5) * frame_s) for first, last in pairs]


def merged(events: Iterable[Seconds]) -> list[Seconds]:
    """Events in order of onset, those that overlap or touch as one: by frame they cannot be told apart.

    >>> merged([(2.0, 3.0), (0.0, 1.0), (0.5, 2.0), (4.0, 5.0)])
    [(0.0, 3.0), (4.0, 5.0)]
    """
    found: list[Seconds] = []
    for onset, offset in sorted(events):
        if found and onset <= found[-1][1]:
            found[-1] = found[-1][0], max(found[-1][1], offset)
        else:
            found.append((onset, offset))
    return found
