"""Event F1 by sed_eval and PSDS by psds_eval, where they are installed; neither is needed for anything else."""

import importlib
import math
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ..diagnostics.localisation import Seconds

COLLAR_S = 0.2
"""Seconds by which an onset, and an offset, may be off (DCASE 2016 to 2023, DESED)."""

LENGTH_SHARE = 0.2
"""Share of the true event's length by which an offset may be off where that is more (DCASE 2016 to 2023, DESED)."""

OVERLAP = 0.5
"""Share of a detection that must lie in true events, and of a true event that detections must cover, to count for PSDS:
DTC and GTC (Bilen et al. 2020, their example)."""

MOST_FALSE = 100.0
"""False detections an hour up to which the curve of PSDS counts (Bilen et al. 2020, DCASE 2020 task 4)."""

INSTALL = "pip install 'flatline[localisation]'"


@dataclass(frozen=True)
class Found:
    """Events of one class in one clip.

    clip : its name, the same in all that is compared
    """

    clip: str
    label: str
    events: Sequence[Seconds]


def missing() -> list[str]:
    """Which of the two libraries is not installed."""
    return [name for name in ("sed_eval", "psds_eval") if _library(name) is None]


def event_f1(true: Sequence[Found], detected: Sequence[Found]) -> dict[str | None, float]:
    """Event F1 by class that has a true event, and under None that of all events together; NaN without sed_eval.

    A detection is right where its onset is off by no more than `COLLAR_S`, its offset by no more than that or
    `LENGTH_SHARE` of the event's length, one detection for one event.
    Source: sed_eval.sound_event.EventBasedMetrics; Mesaros et al. 2016.
    """
    labels = sorted({one.label for one in true if one.events})
    sed_eval = _library("sed_eval")
    if sed_eval is None or not labels:
        return dict.fromkeys([None, *labels], math.nan)
    with _quiet():
        metrics = sed_eval.sound_event.EventBasedMetrics(
            event_label_list=labels, t_collar=COLLAR_S, percentage_of_length=LENGTH_SHARE, event_matching_type="optimal"
        )
        for clip in dict.fromkeys(one.clip for one in true):
            metrics.evaluate(_event_list(true, clip), _event_list(detected, clip))
        by_class = metrics.results_class_wise_metrics()
        overall = metrics.results_overall_metrics()
    scores: dict[str | None, float] = {None: _score(overall)}
    return scores | {label: _score(by_class[label]) for label in labels}


def psds(true: Sequence[Found], by_threshold: Iterable[Sequence[Found]], durations: dict[str, float]) -> float:
    """Polyphonic sound detection score over all classes; NaN without psds_eval.

    No cross-triggers and no spread over classes are counted, since only a clip's own classes are asked for.

    by_threshold : the detections at each threshold
    durations : seconds of each clip
    Source: Bilen et al. 2020, by psds_eval.
    """
    psds_eval = _library("psds_eval")
    truth = _table(true)
    if psds_eval is None or truth.empty:
        return math.nan
    clips = pd.DataFrame({"filename": list(durations), "duration": list(durations.values())})
    with _quiet():
        scorer = psds_eval.PSDSEval(
            dtc_threshold=OVERLAP, gtc_threshold=OVERLAP, ground_truth=truth, metadata=clips, cttc_threshold=OVERLAP
        )
        for detected in by_threshold:
            scorer.add_operating_point(_table(detected))
        points = scorer.operating_points
    return area(np.stack(points.tpr.to_list()), np.stack(points.fpr.to_list()))


def _event_list(found: Sequence[Found], clip: str) -> Any:
    import dcase_util

    rows = [
        {"filename": clip, "event_label": one.label, "onset": onset, "offset": offset}
        for one in found
        if one.clip == clip
        for onset, offset in one.events
    ]
    return dcase_util.containers.MetaDataContainer(rows)


def _table(found: Sequence[Found]) -> pd.DataFrame:
    rows = [(one.clip, onset, offset, one.label) for one in found for onset, offset in one.events]
    return pd.DataFrame(rows, columns=["filename", "onset", "offset", "event_label"]).astype(
        {"onset": float, "offset": float}
    )


def _library(name: str) -> Any:
    try:
        with _quiet():
            return importlib.import_module(name)
    except ImportError:
        return None


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what the libraries warn of in their own code."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _score(found: Any) -> float:
    """sed_eval's F1; 0 where nothing was detected, or nothing right, for which it gives NaN."""
    value = float(found["f_measure"]["f_measure"])
    return 0.0 if math.isnan(value) else value


def area(found: np.ndarray, false: np.ndarray) -> float:
    """Area under the mean over classes of detection rate against false detections an hour, over the whole's.

    A class's curve is a staircase: the best rate of the thresholds with no more false detections. psds-eval 0.5.3 does
    this too, with calls that pandas 3 and numpy 2.4 no longer have.

    found, false : (threshold, class) shares of the true events that were found, false detections an hour
    Returns a number in [0, 1].

    >>> area(np.array([[0.5], [1.0]]), np.array([[0.0], [50.0]]))
    0.75
    """
    edges = np.unique(np.concatenate([[0.0, MOST_FALSE], false[false < MOST_FALSE]]))
    curves = [_stairs(edges[:-1], false[:, k], found[:, k]) for k in range(found.shape[1])]
    return float(np.nanmean(curves, axis=0) @ np.diff(edges) / MOST_FALSE)


def _stairs(x: np.ndarray, at: np.ndarray, height: np.ndarray) -> np.ndarray:
    """The highest of the points (at, height) at or left of each x; 0 left of them all."""
    order = np.argsort(at, kind="stable")
    highest = np.concatenate([[0.0], np.maximum.accumulate(height[order])])
    return highest[np.searchsorted(at[order], x, side="right")]
