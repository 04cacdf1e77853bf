import math
from contextlib import ExitStack

import numpy as np
from torch import nn
from torch.optim import Optimizer

from ..parts import output_bias
from .base import Batch, Signal, SignalInfo, Taken, Values
from .entropy import binary_entropy, x_log_x

KNOWN_LOSSES = ("bce-with-logits", "bce", "cross-entropy")
"""Losses whose gradient at the prior is known."""


class LabelHealth(Signal):
    """Whether the head still learns from the labels.

    Needs a loss that is known and averaged over the batch: NaN for "ctc" and where `loss` was not said.

    bent : the loss is weighted or bent (focal), so that neither its level nor its gradient can be held against that of
        cross-entropy: rho, H0 and the distance from ln 2 are NaN
    """

    subject = "labels"
    cost = "about 20 us"
    infos = (
        SignalInfo(
            "rho", "1", "norm of dL/d(output bias) over the norm that label noise alone keeps up; 1 alive, < .3 killed"
        ),
        SignalInfo("label_entropy", "nats", "H0: loss of a constant predictor that knows the class prior"),
        SignalInfo(
            "ln2_distance", "nats", "how far the loss is from ln 2, that of one that answers 1/2; binary losses"
        ),
        SignalInfo("target_min", "1", "smallest entry of a multi-hot target, as it was passed"),
        SignalInfo("target_max", "1", "largest entry of a multi-hot target, as it was passed"),
    )

    def __init__(self, bent: bool = False) -> None:
        self._bent = bent
        self._model: nn.Module | None = None
        self._names: list[str] = []
        self._bias: int | None = None

    def attach(self, model: nn.Module, optimizers: list[Optimizer], stack: ExitStack) -> None:
        """Remember the model, to find its output bias when the number of classes is known; no hooks."""
        self._model, self._names = model, [name for name, _ in model.named_parameters()]

    def collect(self, batch: Batch, taken: Taken) -> Values:
        """Values of the batch; NaN without targets or a loss that is known."""
        distance = abs(batch.loss - math.log(2)) if batch.loss_kind in ("bce-with-logits", "bce") else math.nan
        distance = math.nan if self._bent else distance
        low, high = batch.target_range
        known = {"ln2_distance": distance, "target_min": low, "target_max": high}
        if self._bent or batch.target is None or batch.prior is None or batch.loss_kind not in KNOWN_LOSSES:
            return {"rho": math.nan, "label_entropy": math.nan, **known}
        n_clips = len(batch.target) if batch.n_clips is None else batch.n_clips
        return {
            "rho": self._bias_norm(batch) / label_noise_floor(batch.prior, n_clips, batch.loss_kind),
            "label_entropy": label_entropy(batch.prior, batch.loss_kind),
            **known,
        }

    def _bias_norm(self, batch: Batch) -> float:
        """Of the gradient before clipping, where the loop told its norm: clipping is no sign of a killed head."""
        norms = batch.shared.get("gradient_norm")
        if self._bias is None and self._model is not None and batch.target is not None:
            name = output_bias(self._model, batch.target.shape[1])
            self._bias = self._names.index(name) if name in self._names else -1
        if norms is None or self._bias is None or self._bias < 0:
            return float("nan")
        return float(norms[self._bias]) / clipped_to(batch.shared["gradient_norm_total"], batch.unclipped_norm)


def clipped_to(total: float, unclipped: float) -> float:
    """The share of the gradient's norm that clipping left, 1 where nothing was clipped or that is not known.

    NaN where clipping left nothing of a gradient that there was: what it had been cannot be said.
    """
    if not unclipped > 0 or not total < unclipped:
        return 1.0
    return total / unclipped if total > 0 and np.isfinite(unclipped) else float("nan")


def label_noise_floor(prior: np.ndarray, n_clips: int, loss_kind: str | None) -> float:
    """Norm of dL/d(output bias) that the draw of labels alone keeps up at the prior, for a loss averaged over clips.

    sqrt(sum q(1-q) / B), and / K where the loss is averaged over classes too (binary cross-entropy).
    n_clips : that the loss is averaged over
    Returns NaN where the labels have no noise, or no clip counts.
    Source: ours, from the variance of a mean of independent labels; held against a constant predictor in the tests.
    """
    if n_clips < 1:
        return float("nan")
    noise = float(np.sqrt((prior * (1 - prior)).sum() / n_clips))
    per_class = loss_kind != "cross-entropy"
    floor = noise / len(prior) if per_class else noise
    return floor if floor > 0 else float("nan")


def label_entropy(prior: np.ndarray, loss_kind: str | None) -> float:
    """H0 in nats: mean over classes of the binary entropy of the prior; for cross-entropy, the prior's own entropy."""
    q = prior.astype(np.float64)
    return float(-x_log_x(q).sum() if loss_kind == "cross-entropy" else binary_entropy(q).mean())
