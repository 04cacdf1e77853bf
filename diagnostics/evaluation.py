"""One evaluation's numbers, from scores and targets."""

from typing import Any

import numpy as np

from .lwlrap import chance_level, constant_level, label_precisions, tie_share


def evaluation_row(scores: np.ndarray, target: np.ndarray, prior: np.ndarray | None, loss: float) -> dict[str, Any]:
    """An evaluation's lwlrap and lrap with what they must be held against, and per-class values.

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
        return {**lost, **levels, "class_lwlrap": np.full(scores.shape[1], np.nan)}
    precisions = label_precisions(scores, target)
    return {
        "lwlrap": precisions.lwlrap,
        "lrap": precisions.lrap,
        "tie_share": tie_share(scores),
        **levels,
        "class_lwlrap": precisions.per_class,
    }
