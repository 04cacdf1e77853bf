"""Whether the scores are what the loss takes."""

from collections.abc import Iterator

import torch

from .fault import Fault
from .objective import MULTI_LABEL, ON_LOGITS, SINGLE_LABEL, class_dim
from .subject import MARGIN, Subject
from .trace import SOFTMAX

SQUASHES = ("SigmoidBackward0", *SOFTMAX)


def check_scores(subject: Subject) -> Iterator[Fault]:
    """Probabilities under a loss on logits, logits under one on probabilities, scores that cannot get where they must.

    Scores lie in [0, 1] by chance at times (one class, a bias above 0), so values alone prove nothing: `Subject.reach`
    changes all weights, and only what stays in [0, 1] is a probability. What the model announces is believed.
    """
    scores, kind = subject.scores, subject.objective.kind
    if scores is None or not scores.numel() or not bool(torch.isfinite(scores).all()):
        return
    now = {"output_min": float(scores.min()), "output_max": float(scores.max())}
    if kind in ON_LOGITS:
        yield from _on_logits(subject, now)
    elif kind == "bce":
        yield from _on_probabilities(subject, now)
    elif kind in ("nll", "ctc"):
        yield from _on_log_probabilities(subject, now)


def _on_logits(subject: Subject, now: dict[str, float]) -> Iterator[Fault]:
    scores, kind = subject.scores, subject.objective.kind
    assert scores is not None
    if kind == "cross-entropy" and scores.shape[class_dim(scores)] == 1:
        yield Fault("single-class-softmax", "critical", subject.output_layer or "", now)
        return
    inside = now["output_min"] >= -1 and now["output_max"] <= 1
    if subject.announced == "probabilities":
        key = "probabilities-into-logits" if kind in MULTI_LABEL else "softmax-twice"
        yield Fault(key, "critical", subject.where_squashed(SQUASHES), now)
    elif inside or now["output_min"] >= 0 or now["output_max"] <= 0:
        yield from _on_suspicion(subject, now)


def _on_suspicion(subject: Subject, now: dict[str, float]) -> Iterator[Fault]:
    reach, is_multi_label = subject.reach, subject.objective.kind in MULTI_LABEL
    evidence = {**now, "lowest_reached": reach.low, "highest_reached": reach.high}
    if not reach.n_tried:
        return
    if reach.are_probabilities:
        key = "probabilities-into-logits" if is_multi_label else "softmax-twice"
        yield Fault(key, "critical", subject.where_squashed(SQUASHES), evidence)
    elif reach.low >= -MARGIN or (reach.high <= MARGIN and is_multi_label):  # log-softmax twice is log-softmax
        where = subject.where_squashed(("ReluBackward0", "LogSigmoidBackward0", "SoftplusBackward0", *SOFTMAX))
        yield Fault("one-sided-scores", "critical" if is_multi_label else "warning", where, evidence)
    elif reach.low >= -1 - MARGIN and reach.high <= 1 + MARGIN:
        yield from _bounded(subject, evidence)


def _bounded(subject: Subject, evidence: dict[str, float]) -> Iterator[Fault]:
    """Scores in [-1, 1]: critical where even the best of them lose to the labels' frequencies alone."""
    scores, target = subject.scores, subject.target
    if scores is None or target is None or subject.is_loss_barred:
        return
    best = scores.new_full(scores.shape, -1.0)
    if target.shape == scores.shape:
        best = target.to(scores) * 2 - 1
    elif target.ndim == 1 and scores.ndim == 2 and not target.is_floating_point():
        best[torch.arange(len(best)), target.clamp(0, scores.shape[1] - 1)] = 1.0
    lowest, prior = subject.objective.of_scores(best, target), subject.objective.of_prior(scores, target)
    evidence = {**evidence, "lowest_loss": lowest, "prior_loss": prior}
    where = subject.where_squashed(("TanhBackward0",))
    yield Fault("bounded-scores", "critical" if lowest > prior else "warning", where, evidence)


def _on_probabilities(subject: Subject, now: dict[str, float]) -> Iterator[Fault]:
    scores, target = subject.scores, subject.target
    assert scores is not None
    if _is_ones(subject):
        yield Fault("single-class-softmax", "critical", subject.where_squashed(SOFTMAX), now)
        return
    if now["output_min"] < -MARGIN or now["output_max"] > 1 + MARGIN or subject.announced == "logits":
        yield Fault("logits-into-probabilities", "critical", subject.output_layer or "", now)
        return
    if subject.announced is None and subject.reach.n_tried and not subject.reach.are_probabilities:
        reached = {"lowest_reached": subject.reach.low, "highest_reached": subject.reach.high}
        yield Fault("logits-into-probabilities", "critical", subject.output_layer or "", {**now, **reached})
        return
    if scores.ndim == 2 and target is not None and target.shape == scores.shape:
        most = float(target.sum(dim=1).max())
        if most > 1 and subject.reach.sum_to_one:
            where = subject.where_squashed(SOFTMAX)
            yield Fault("softmax-many-labels", "warning", where, {**now, "most_labels": most})


def _on_log_probabilities(subject: Subject, now: dict[str, float]) -> Iterator[Fault]:
    """Sums of exponentials over classes: the last dimension for CTC (frame, clip, class), the second for NLL."""
    scores = subject.scores
    assert scores is not None
    dim = -1 if subject.objective.kind == "ctc" else class_dim(scores)
    if scores.shape[dim] == 1 and subject.objective.kind in SINGLE_LABEL:
        yield Fault("single-class-softmax", "critical", subject.output_layer or "", now)
        return
    sums = scores.float().logsumexp(dim=dim)
    if float(sums.abs().max()) > 1e-3:  # rounding of a float32 log-softmax is below 1e-5, of a half below 1e-2 of it
        worst = float(sums.flatten()[sums.abs().argmax()].clamp(-50, 50).exp())
        yield Fault("not-log-probabilities", "critical", subject.output_layer or "", {**now, "exponential_sum": worst})


def _is_ones(subject: Subject) -> bool:
    """Whether the scores are all 1 from a softmax over one element."""
    assert subject.scores is not None
    operations = subject.first.softmaxes
    return any(one.result.shape[one.dim] == 1 for one in operations) and bool((subject.scores == 1).all())
