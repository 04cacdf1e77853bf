"""One evaluation's numbers, from scores and targets."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from .ablation_shares import is_ablation_column
from .errors import AttachError, ShapeError
from .lwlrap import chance_level, constant_level, label_precisions, tie_share


def evaluation_row(scores: np.ndarray, target: np.ndarray, prior: np.ndarray | None, loss: float) -> dict[str, Any]:
    """An evaluation's lwlrap and lrap with what they must be held against, and per-class values.

    By class: lwlrap, positive clips, and the share of the clips on which the class is on top (`top_shares`).

    scores : (clip, class); a NaN among them makes the scores NaN, not the run fail
    target : (clip, class) multi-hot
    prior : (class,) of the training clips; None leaves the constant level NaN
    Raises ShapeError if prior and target differ in classes.
    """
    levels = {
        "loss": loss,
        "chance": chance_level(target),
        "constant": np.nan if prior is None else constant_level(target, prior),
        "class_positives": target.sum(axis=0),
    }
    if np.isnan(scores).any():
        lost = {"lwlrap": np.nan, "lrap": np.nan, "tie_share": np.nan}
        by_class = np.full(scores.shape[1], np.nan)
        return {**lost, **levels, "class_lwlrap": by_class, "class_top": by_class.copy()}
    precisions = label_precisions(scores, target)
    return {
        "lwlrap": precisions.lwlrap,
        "lrap": precisions.lrap,
        "tie_share": tie_share(scores),
        **levels,
        "class_lwlrap": precisions.per_class,
        "class_top": top_shares(scores),
    }


def top_shares(scores: np.ndarray) -> np.ndarray:
    """Share of the clips whose highest score is each class's: what the network predicts, where it must name one class.

    Classes that tie for the highest share a clip equally. A clip whose scores are all equal names no class and counts
    for none, so that the shares of a network that answers 0 for everything are 0 and not those of one that predicts
    every class alike; their sum falls short of 1 by such clips.

    scores : (clip, class) without NaN; infinities are numbers like others
    Returns (class,); NaN where there is no clip.
    Source: ours, with the per-class lwlrap it stands beside.

    >>> top_shares(np.array([[0.9, 0.1, 0.0], [0.5, 0.5, 0.0], [0.0, 0.0, 0.0], [0.1, 0.2, 0.3]]))
    array([0.375, 0.125, 0.25 ])
    """
    n_clips, n_classes = scores.shape
    if not scores.size:
        return np.full(n_classes, np.nan)
    is_top = scores == scores.max(axis=1, keepdims=True)  # (clip, class)
    n_top = is_top.sum(axis=1)
    is_top[(n_top == n_classes) & (n_classes > 1)] = False  # a single class is on top of every clip
    clip, label = np.nonzero(is_top)
    return np.bincount(label, weights=1 / n_top[clip], minlength=n_classes) / n_clips


def ablation_columns(given: Any, where: str) -> dict[str, float]:
    """What ablations add to an evaluation's row.

    given : what `ablate` gave, or its `row()`; None adds nothing
    Raises AttachError for anything else, ShapeError for a value that is no number.
    """
    row = given.row() if callable(getattr(given, "row", None)) else {} if given is None else given
    if not isinstance(row, Mapping) or not all(map(is_ablation_column, row)):
        what = (
            next((repr(name) for name in row if not is_ablation_column(name)), "") if isinstance(row, Mapping) else ""
        )
        raise AttachError(
            f"ablations {f'holds {what}' if what else f'is {type(given).__name__}'} ({where}); pass what "
            "flatline.ablate gave, or its row()"
        )
    for name, value in row.items():
        if isinstance(value, bool) or np.ndim(value) or not isinstance(value, (int, float, np.number)):
            raise ShapeError(f"{name} is {value!r} ({where}, ablations=); pass a number")
    return {name: float(value) for name, value in row.items()}
