from contextlib import ExitStack

import numpy as np
from torch import nn
from torch.optim import Optimizer

from ..parts import output_bias
from .base import Batch, SignalInfo, Values

KNOWN_LOSSES = ("bce-with-logits", "bce", "cross-entropy")
"""Losses whose gradient at the prior is known."""


class OutputHealth:
    """Whether the scores still differ between clips, and whether the head still learns from the labels.

    Of the batch, as the model gave it in training mode. rho and H0 need a loss that is known and averaged over the
    batch: NaN for "ctc" and where `loss` was not said. Cost: an argsort of (clip, class), about 150 us for 32 x 80.
    """

    infos = (
        SignalInfo("output_min", "the output's", "smallest score of the batch"),
        SignalInfo("output_max", "the output's", "largest score of the batch"),
        SignalInfo("clip_spread", "the output's", "mean over classes of the standard deviation between clips"),
        SignalInfo("class_spread", "the output's", "mean over clips of the standard deviation between classes"),
        SignalInfo(
            "rank_agreement", "correlation", "mean correlation of each clip's class ranking with the mean ranking"
        ),
        SignalInfo("top_class_share", "share of clips", "clips whose highest class is the commonest highest class"),
        SignalInfo(
            "rho", "1", "norm of dL/d(output bias) over the norm that label noise alone keeps up; 1 alive, < .3 killed"
        ),
        SignalInfo("label_entropy", "nats", "H0: loss of a constant predictor that knows the class prior"),
    )

    def __init__(self) -> None:
        self._model: nn.Module | None = None
        self._names: list[str] = []
        self._bias: int | None = None

    def attach(self, model: nn.Module, optimizers: list[Optimizer], stack: ExitStack) -> None:
        """Remember the model, to find its output bias when the number of classes is known; no hooks."""
        self._model, self._names = model, [name for name, _ in model.named_parameters()]

    def collect(self, batch: Batch) -> Values:
        """Values of the batch; NaN without outputs or targets, and where one clip alone cannot tell."""
        return {**score_health(batch.outputs), **self._label_health(batch)}

    def _label_health(self, batch: Batch) -> dict[str, float]:
        if batch.target is None or batch.prior is None or batch.loss_kind not in KNOWN_LOSSES:
            return {"rho": np.nan, "label_entropy": np.nan}
        return {
            "rho": self._bias_norm(batch) / label_noise_floor(batch.prior, len(batch.target), batch.loss_kind),
            "label_entropy": label_entropy(batch.prior, batch.loss_kind),
        }

    def _bias_norm(self, batch: Batch) -> float:
        """Of the gradient before clipping, where the loop told its norm: clipping is no sign of a killed head."""
        norms = batch.shared.get("gradient_norm")
        if self._bias is None and self._model is not None and batch.target is not None:
            name = output_bias(self._model, batch.target.shape[1])
            self._bias = self._names.index(name) if name in self._names else -1
        if norms is None or self._bias is None or self._bias < 0:
            return float("nan")
        clipped_to = batch.shared["gradient_norm_total"] / batch.unclipped_norm
        return float(norms[self._bias]) / (clipped_to if clipped_to < 1 else 1.0)


def score_health(outputs: np.ndarray | None) -> dict[str, float]:
    """Range, spreads, rank agreement and share of the top class of (clip, class) scores.

    NaN and infinite scores go into range and spreads as they are; what one clip alone cannot tell is NaN.
    """
    names = ("output_min", "output_max", "clip_spread", "class_spread", "rank_agreement", "top_class_share")
    if outputs is None or not outputs.size:
        return dict.fromkeys(names, np.nan)
    several = len(outputs) > 1
    top = np.bincount(outputs.argmax(axis=1)).max() / len(outputs)
    with np.errstate(invalid="ignore", over="ignore"):
        values = (
            outputs.min(),
            outputs.max(),
            outputs.std(axis=0).mean() if several else np.nan,
            outputs.std(axis=1).mean(),
            rank_agreement(outputs) if several else np.nan,
            top if several and not np.isnan(outputs).any() else np.nan,
        )
    return {name: float(value) for name, value in zip(names, values, strict=True)}


def rank_agreement(outputs: np.ndarray) -> float:
    """Mean correlation of each clip's class ranking with the mean ranking, for (clip, class) scores.

    1 is the same ranking for every clip; independent rankings of n clips give about 1/sqrt(n). Ties keep the order of
    the classes, so equal scores everywhere are one shared ranking. NaN with NaN scores or a single class.
    """
    n_classes = outputs.shape[1]
    if n_classes < 2 or np.isnan(outputs).any():
        return float("nan")
    order = np.argsort(outputs, axis=1, kind="stable")
    ranks = np.empty(outputs.shape, dtype=np.float64)
    np.put_along_axis(ranks, order, np.arange(n_classes, dtype=np.float64)[None, :], axis=1)
    ranks -= (n_classes - 1) / 2
    mean = ranks.mean(axis=0)
    if not mean.any():
        return 0.0
    return float((ranks @ mean).mean() / (np.linalg.norm(ranks[0]) * np.linalg.norm(mean)))


def label_noise_floor(prior: np.ndarray, n_clips: int, loss_kind: str | None) -> float:
    """Norm of dL/d(output bias) that the draw of labels alone keeps up at the prior, for a loss averaged over clips.

    sqrt(sum q(1-q) / B), and / K where the loss is averaged over classes too (binary cross-entropy).
    Source: ours; FINDINGS D2, held against a constant predictor in the tests.
    """
    noise = float(np.sqrt((prior * (1 - prior)).sum() / n_clips))
    per_class = loss_kind != "cross-entropy"
    floor = noise / len(prior) if per_class else noise
    return floor if floor > 0 else float("nan")


def label_entropy(prior: np.ndarray, loss_kind: str | None) -> float:
    """H0 in nats: mean over classes of the binary entropy of the prior; for cross-entropy, the prior's own entropy."""
    q = np.clip(prior, 1e-12, 1 - 1e-12)
    if loss_kind == "cross-entropy":
        return float(-(q * np.log(q)).sum())
    return float(-(q * np.log(q) + (1 - q) * np.log(1 - q)).mean())
