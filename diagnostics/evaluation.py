"""One evaluation's numbers, from scores and targets."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from .ablation_shares import is_ablation_column
from .errors import AttachError, ShapeError
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
