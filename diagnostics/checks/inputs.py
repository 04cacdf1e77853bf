"""Whether the inputs are finite and vary, and whether the scores vary with them."""

from collections.abc import Iterator

import torch
from torch import Tensor

from .fault import Fault
from .given import n_nonfinite
from .subject import Subject

SAME = 1e-6
"""Spread of the scores between clips, as a share of the largest, that is rounding; float32 rounds at 6e-8. Ours."""


def check_inputs(subject: Subject) -> Iterator[Fault]:
    """Inputs that are NaN, the same in all clips, or constant in each."""
    inputs = subject.batch.tensors()
    if (lost := sum(map(n_nonfinite, inputs))) > 0:
        yield Fault("nonfinite-inputs", "critical", "inputs", {"n_nonfinite": lost})
        return
    clips = [one for one in (clips_first(tensor, subject.batch.n_clips) for tensor in inputs) if one is not None]
    if not clips:
        return
    n_clips = len(clips[0])
    if n_clips > 1 and not any(vary(one) for one in clips):
        yield Fault("inputs-equal", "critical", "inputs", {"n_clips": n_clips})
        return
    yield from _constant(clips, n_clips)


def _constant(clips: list[Tensor], n_clips: int) -> Iterator[Fault]:
    """Clips that hold one value; more than half of them is a warning, since silence and padding are such clips too.

    An input of one number a clip says nothing, nor do integers (tokens, lengths).
    """
    judged = [one for one in clips if one.is_floating_point() and one[0].numel() > 1]
    if not judged or len(judged) < len(clips):
        return
    flat = torch.stack([_is_constant(one) for one in judged]).all(dim=0)
    n_constant = int(flat.sum())
    if n_constant > n_clips / 2:
        severity = "critical" if n_constant == n_clips else "warning"
        yield Fault("inputs-constant", severity, "inputs", {"n_constant": n_constant, "n_clips": n_clips})


def check_constant_output(subject: Subject) -> Iterator[Fault]:
    """Scores that are the same for all clips, now and with nudged weights: a head that starts at 0 is no fault."""
    inputs, scores, n_clips = subject.batch.tensors(), subject.scores, subject.batch.n_clips
    if scores is None or n_clips is None or n_clips < 2 or not any(map(_varies_somehow, inputs)):
        return
    found = clips_first(scores, n_clips)
    if found is None or _spread(found) > SAME:
        return
    nudged = subject.nudged
    again = None if nudged is None or nudged.scores is None else clips_first(nudged.scores.detach(), n_clips)
    if again is None or _spread(again) <= SAME:
        yield Fault("constant-output", "critical", subject.output_layer or "", {"spread": _spread(found)})


def clips_first(tensor: Tensor, n_clips: int | None) -> Tensor | None:
    """(clip, ...) of a tensor that has its clips in the first or second dimension; None where it has neither."""
    if n_clips is None or not tensor.ndim or not tensor.numel():
        return None
    if len(tensor) == n_clips:
        return tensor.detach()
    return tensor.detach().transpose(0, 1) if tensor.ndim > 1 and tensor.shape[1] == n_clips else None


def vary(clips: Tensor) -> bool:
    """Whether any clip differs from the first."""
    return not bool((clips == clips[:1]).all())


def _varies_somehow(tensor: Tensor) -> bool:
    return tensor.numel() > 1 and not bool((tensor == tensor.flatten()[0]).all())


def _is_constant(clips: Tensor) -> Tensor:
    flat = clips.reshape(len(clips), -1)
    return (flat == flat[:, :1]).all(dim=1)


def _spread(clips: Tensor) -> float:
    """Largest difference between two clips in one score, as a share of the largest score; NaN where there are NaN."""
    flat = clips.reshape(len(clips), -1).double()
    largest = float(flat.abs().max())
    return float((flat.amax(dim=0) - flat.amin(dim=0)).max()) / largest if largest else 0.0
