"""Whether the target fits the scores and the loss, and can be learned."""

from collections.abc import Iterator

import torch
from torch import Tensor

from .fault import Fault
from .given import n_nonfinite
from .objective import MULTI_LABEL, SINGLE_LABEL, class_dim
from .subject import Subject

LEAST_CLIPS = 8
"""Clips of several classes that do not all have one target by chance: with two classes alike, once in 128 batches."""

LEAST_CLIPS_OF_TWO = 256
"""The same for one label or two classes, where one of them may be rare: at 2 % of clips, once in 175 batches."""


def check_labels(subject: Subject) -> Iterator[Fault]:
    """Sizes, ranges and variety of the target; what the loss would refuse is critical."""
    scores, target, kind = subject.scores, subject.target, subject.objective.kind
    if target is None:
        return
    if not target.numel():
        yield Fault("target-empty", "critical", "target", {"n_values": 0})
        return
    if (lost := n_nonfinite(target)) > 0:
        yield Fault("nonfinite-target", "critical", "target", {"n_nonfinite": lost})
        return
    if scores is None or kind in (None, "ctc"):
        return
    n_classes = scores.shape[class_dim(scores)] if scores.ndim else 1
    if subject.n_names is not None and subject.n_names != n_classes:
        yield Fault("classes-differ", "critical", "target", {"n_names": subject.n_names, "n_classes": n_classes})
    faults = list(_sizes(subject, scores, target)) or [*_values(subject, scores, target)]
    yield from faults
    if not any(fault.severity == "critical" for fault in faults):
        yield from _variety(subject, target, n_classes)


def _sizes(subject: Subject, scores: Tensor, target: Tensor) -> Iterator[Fault]:
    kind = subject.objective.kind
    detail = f"{tuple(scores.shape)} and target {tuple(target.shape)}"
    evidence = {"output_clips": float(len(scores)) if scores.ndim else 1.0, "target_clips": float(len(target))}
    if kind == "elementwise":
        if scores.shape != target.shape:
            yield Fault("target-broadcast", "warning", "target", evidence, detail)
    elif kind in MULTI_LABEL:
        if scores.shape != target.shape:
            yield Fault("sizes-differ", "critical", "target", evidence, detail)
    elif kind in SINGLE_LABEL:
        indices = (*scores.shape[:1], *scores.shape[2:]) if scores.ndim > 1 else ()
        shares = kind == "cross-entropy" and target.shape == scores.shape
        if tuple(target.shape) != indices and not shares:
            yield Fault("sizes-differ", "critical", "target", evidence, detail)


def _values(subject: Subject, scores: Tensor, target: Tensor) -> Iterator[Fault]:
    kind = subject.objective.kind
    if kind in MULTI_LABEL:
        low, high = float(target.min()), float(target.max())
        if low < 0 or high > 1:
            yield Fault("target-outside", "critical", "target", {"target_min": low, "target_max": high})
        elif not target.is_floating_point():
            yield Fault("target-not-float", "critical", "target", {}, str(target.dtype).removeprefix("torch."))
    elif kind in SINGLE_LABEL:
        if target.shape == scores.shape and kind == "cross-entropy":
            yield from _shares(scores, target)
        else:
            yield from _indices(subject, scores, target)


def _shares(scores: Tensor, target: Tensor) -> Iterator[Fault]:
    """Soft targets; others are several labels a clip, which the cross-entropy takes, but not well."""
    sums = target.float().sum(dim=class_dim(scores))
    evidence = {"sum_min": float(sums.min()), "sum_max": float(sums.max())}
    if not target.is_floating_point():
        yield Fault("target-float-indices", "critical", "target", evidence, str(target.dtype).removeprefix("torch."))
    elif float((sums - 1).abs().max()) > 1e-2:
        yield Fault("target-not-distribution", "warning", "target", evidence)


def _indices(subject: Subject, scores: Tensor, target: Tensor) -> Iterator[Fault]:
    n_classes, counted = scores.shape[class_dim(scores)], target[target != subject.objective.ignored]
    if target.is_floating_point() or target.dtype == torch.bool:
        yield Fault("target-float-indices", "critical", "target", {}, str(target.dtype).removeprefix("torch."))
    elif not counted.numel():
        yield Fault("target-ignored", "critical", "target", {"n_clips": len(target)})
    elif int(counted.min()) < 0 or int(counted.max()) >= n_classes:
        index = int(counted.min()) if int(counted.min()) < 0 else int(counted.max())
        evidence = {"index": index, "n_classes": n_classes, "last_class": n_classes - 1}
        yield Fault("target-index-outside", "critical", "target", evidence)


def _variety(subject: Subject, target: Tensor, n_classes: int) -> Iterator[Fault]:
    """Clips that all have the same target; with one label or two classes a batch must be large to say anything."""
    n_clips = len(target)
    if n_clips < 2 or not bool((target == target[:1]).all()):
        return
    is_multi_label = target.ndim > 1 and target.shape[1] > 1
    least = LEAST_CLIPS if n_classes > 2 or is_multi_label else LEAST_CLIPS_OF_TWO
    if subject.objective.kind == "elementwise":
        least = LEAST_CLIPS
    if n_clips >= least:
        yield Fault(
            "target-one-valued", "warning", "target", {"n_clips": n_clips, "target": float(target.flatten()[0])}
        )
