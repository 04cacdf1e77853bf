import numpy as np

from ..findings import Finding, Undetermined
from ..stretches import Stretch, sustained
from ..view import View
from . import unrelated_labels
from .base import Found, found, newest

KIND = "label-problem"

OF_PROBABILITIES = ("bce-with-logits", "bce")
"""Losses whose targets are probabilities; of others a target may be any number."""

NO_WONDER = 1e-6
"""Chance of so many batches of one value in a row, by their share in the rest of the run, above which they are luck.
Ours."""


def detect(view: View) -> Found:
    """Targets that cannot be learned (empty, of one value, out of range, unrelated), or inputs that do not vary."""
    yield from _inputs(view)
    yield from _range(view)
    positives = view.columns("positives")
    if positives is None:
        if view.scalar("target_max") is None:
            yield Undetermined(KIND, "no targets were recorded; pass target= to step")
        return
    wrong = list(_one_valued(view, positives))
    yield from wrong
    if any(isinstance(entry, Finding) and entry.severity == "critical" for entry in wrong):
        return
    if (jump := unrelated_labels.went_wrong(view)) is not None:
        yield found(KIND, "critical", jump[0], {**jump[1], **view.standing()}, variant="shuffled")
    elif (by_heart := unrelated_labels.memorised(view)) is not None:
        yield found(KIND, "warning", by_heart[0], {**by_heart[1], **view.standing()}, variant="memorised")
    elif (never := unrelated_labels.never_learned(view)) is not None:
        yield found(KIND, "warning", never[0], {**never[1], **view.standing()}, variant="unrelated")


def _inputs(view: View) -> Found:
    spread, scale = view.scalar("input_spread"), view.scalar("input_scale")
    if spread is None or scale is None:
        return
    alike = spread <= 1e-6 * np.maximum(scale, 1e-12)
    stretch = sustained(view.iterations, alike, np.isfinite(spread))
    if stretch is not None:
        measured = {"input_spread": newest(spread), "input_scale": newest(scale)}
        yield found(KIND, "critical", stretch, measured, variant="constant-inputs")


def _range(view: View) -> Found:
    low, high = view.scalar("target_min"), view.scalar("target_max")
    if low is None or high is None:
        return
    known = np.isfinite(low)
    for value, variant in ((0.0, "empty"), (1.0, "one-valued")):
        if (
            stretch := sustained(view.iterations, (low == value) & (high == value), known, least=20, share=1.0)
        ) is not None and not _is_luck(view, (low == value) & (high == value), known, stretch):
            yield found(KIND, "critical", stretch, {"target_min": value, "target_max": value}, variant=variant)
    if view.info.get("loss_kind") not in OF_PROBABILITIES:
        return
    outside = (low < 0) | (high > 1)
    stretch = sustained(view.iterations, outside, np.isfinite(low), least=1)
    if stretch is not None:
        measured = {"target_min": float(np.nanmin(low)), "target_max": float(np.nanmax(high))}
        is_marked = (
            np.nanmax(high) <= 1 and view.loss is not None and np.nanmin(view.loss) >= 0
        )  # unknown, and left out
        yield found(KIND, "info" if is_marked else "critical", stretch, measured, variant="out-of-range")


def _is_luck(view: View, holds: np.ndarray, known: np.ndarray, stretch: Stretch) -> bool:
    """Whether batches elsewhere in the run are often enough like these that so many in a row are no wonder."""
    inside = (view.iterations >= stretch.first) & (view.iterations <= stretch.last)
    others = holds[known & ~inside]
    return len(others) > 0 and float(others.mean()) ** int((inside & known).sum()) > NO_WONDER


def _one_valued(view: View, positives: np.ndarray) -> Found:
    """Batches in which a single class has all the positive clips, and classes without any."""
    known = np.asarray(~np.isnan(positives).all(axis=1))
    counts = np.nan_to_num(positives)
    if positives.shape[1] > 1:
        single = (counts > 0).sum(axis=1) == 1
        first = counts.argmax(axis=1)
        commonest = np.bincount(first[single], minlength=1).argmax()
        same = single & (first == commonest)
        stretch = sustained(view.iterations, same, known, least=20, share=1.0)
        if stretch is not None and not _is_luck(view, same, known, stretch):
            yield found(KIND, "critical", stretch, {"classes_with_positives": 1.0}, variant="one-valued")
            return
    without = int((counts.sum(axis=0) == 0).sum())
    if without:
        stretch = Stretch(int(view.iterations[0]), view.last, True)
        yield found(KIND, "info", stretch, {"classes_without_positives": float(without)}, variant="class-without")
