from collections.abc import Iterator

import numpy as np

from ..findings import Severity, Undetermined
from ..stretches import Stretch, sustained
from ..view import View
from .base import Found, found, newest
from .gradient_death import is_done

KIND = "attention-collapse"

UNIFORM = 0.999
"""Entropy, as a share of ln(frames), from which attention looks at all frames alike; ours."""

ONE_FRAME = 0.9
"""Share of the weight that one frame has, median over the classes, from which attention sees one frame; ours."""

SETTLING = 10
"""Iterations in which no attention can have learned to look at one frame; ours."""

ABRUPT = 0.5
"""Of `ONE_FRAME` that attention which learns to look at one frame had reached five to ten iterations before; ours."""

OF_ONE_CLASS = 0.9
"""Share of the weight of all classes that one has, from which classes that compete for frames have lost; ours."""

FEWEST_CLASSES = 4
"""Classes below which one may well have most of the weight; ours."""

ON_PADDING = 0.5
"""Weight that the real frames keep of a map that sums to 1 over all, below which most of it lies on padding; ours."""


def detect(view: View) -> Found:
    """A map that is uniform, at one frame, on padding, or shared out among the classes, not learning."""
    maps = dict(view.info.get("maps") or {})
    if not maps:
        return
    if view.columns("attention_entropy") is None:
        yield Undetermined(KIND, "no attention weights were recorded; level standard has them")
        return
    of_head = {name.rpartition(".")[0] for name, part in view.signals.parts.items() if part == "head"}
    for number, (path, kind) in enumerate(maps.items()):
        if path in of_head:  # scores by frame are a map too, and no weights
            continue
        suffix = "" if number == 0 else f".{path}"
        for variant, stretch, measured in _signs(view, kind, suffix):
            severity: Severity = view.severity()
            if (
                variant == "one-frame"
                and view.has_learned
                and is_done(view)[-1]
                and not _is_abrupt(view, suffix, stretch)
            ):
                severity = "info"  # what there was to learn lay in one frame
            yield found(KIND, severity, stretch, {**measured, **view.standing()}, variant=variant, where=path)
            break


def _is_abrupt(view: View, suffix: str, stretch: Stretch) -> bool:
    """Whether one frame had the weight from the beginning, or from one iteration to the next: no learning does that."""
    place = int(np.searchsorted(view.iterations, stretch.first))
    peak = view.medians(f"attention_peak{suffix}")
    return place < SETTLING or peak is None or not np.nanmedian(peak[place - 10 : place - 5]) > ABRUPT * ONE_FRAME


def _signs(view: View, kind: str, suffix: str) -> Iterator[tuple[str, Stretch, dict[str, float]]]:
    entropy, peak = view.medians(f"attention_entropy{suffix}"), view.medians(f"attention_peak{suffix}")
    by_class = None if kind == "sigmoid" else view.columns(f"attention_sum{suffix}")
    total = None if by_class is None else view.medians(f"attention_sum{suffix}")
    if kind == "softmax-class" and by_class is not None and by_class.shape[1] >= FEWEST_CLASSES:
        largest = np.nanmax(by_class, axis=1) / np.nansum(by_class, axis=1)
        yield from _one("competition", view, largest > OF_ONE_CLASS, largest, "largest_class_share")
    if total is not None and (kind == "softmax-time" or (kind == "weights" and np.nanmax(total) <= 1.01)):
        yield from _one("padding", view, total < ON_PADDING, total, "weight_on_real_frames")
    if peak is not None:
        yield from _one("one-frame", view, peak > ONE_FRAME, peak, "attention_peak")
    if entropy is not None and kind != "softmax-class":
        yield from _one("uniform", view, entropy > UNIFORM, entropy, "attention_entropy")


def _one(
    variant: str, view: View, holds: np.ndarray, values: np.ndarray, name: str
) -> Iterator[tuple[str, Stretch, dict[str, float]]]:
    stretch = sustained(view.iterations, holds, np.isfinite(values), least=20)
    if stretch is not None:
        yield variant, stretch, {name: newest(values)}
