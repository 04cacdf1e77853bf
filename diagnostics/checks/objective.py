"""Which scores and targets a loss takes, and what it gives for scores that know nothing."""

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..errors import unknown
from .given import CheckError, copied

WORDED = ("bce-with-logits", "bce", "cross-entropy", "ctc", None)
"""Kinds that a caller may name, as in the recorder; "nll" and "elementwise" are read off a criterion."""

OF_MODULES: tuple[tuple[type[nn.Module], str], ...] = (
    (nn.BCEWithLogitsLoss, "bce-with-logits"),
    (nn.MultiLabelSoftMarginLoss, "bce-with-logits"),
    (nn.BCELoss, "bce"),
    (nn.CrossEntropyLoss, "cross-entropy"),
    (nn.NLLLoss, "nll"),
    (nn.CTCLoss, "ctc"),
    (nn.MSELoss, "elementwise"),
    (nn.L1Loss, "elementwise"),
    (nn.SmoothL1Loss, "elementwise"),
    (nn.HuberLoss, "elementwise"),
)

OF_FUNCTIONS: tuple[tuple[Callable[..., Any], str], ...] = (
    (functional.binary_cross_entropy_with_logits, "bce-with-logits"),
    (functional.multilabel_soft_margin_loss, "bce-with-logits"),
    (functional.binary_cross_entropy, "bce"),
    (functional.cross_entropy, "cross-entropy"),
    (functional.nll_loss, "nll"),
    (functional.ctc_loss, "ctc"),
    (functional.mse_loss, "elementwise"),
    (functional.l1_loss, "elementwise"),
    (functional.smooth_l1_loss, "elementwise"),
    (functional.huber_loss, "elementwise"),
)

MULTI_LABEL, SINGLE_LABEL = ("bce-with-logits", "bce"), ("cross-entropy", "nll")
ON_LOGITS = ("bce-with-logits", "cross-entropy")


@dataclass(frozen=True)
class Objective:
    """A loss: its kind (None: not known) and the criterion to call, None where there is none to call.

    takes_raw : the criterion takes the model's output as it is, rather than the scores in it
    ignored : the class index that does not count
    """

    kind: str | None
    criterion: Callable[[Any, Any], Any] | None
    takes_raw: bool = False
    ignored: int = -100

    def __call__(self, output: Any, target: Any) -> Any:
        """The loss of an output."""
        assert self.criterion is not None
        return self.criterion(output, copied(target))

    def of_nothing_known(self, scores: Tensor, target: Any) -> float:
        """The loss of scores that are the same for every class: ln 2 for BCE, ln K for the cross-entropy, unweighted.

        The caller's own criterion says it, so that its weights and its reduction count. NaN where it cannot be said.
        """
        neutral = {"bce-with-logits": 0.0, "cross-entropy": 0.0, "bce": 0.5}.get(self.kind or "", math.nan)
        if self.kind == "nll":
            neutral = -math.log(scores.shape[class_dim(scores)])
        return self.of_scores(torch.full_like(scores, neutral), target)

    def of_prior(self, scores: Tensor, target: Tensor) -> float:
        """The loss of the best scores that are the same for every clip: the batch's own label frequencies.

        Unweighted and unsmoothed it is H0, the mean over classes of the entropy of a label. NaN where it is not known.
        """
        if self.kind in MULTI_LABEL and scores.shape == target.shape:
            share = target.to(scores).mean(dim=0, keepdim=True).clamp(1e-6, 1 - 1e-6)
            best = share.logit() if self.kind == "bce-with-logits" else share
        elif self.kind in SINGLE_LABEL and target.ndim == 1 and scores.ndim == 2 and not target.is_floating_point():
            counted = target[target != self.ignored].long()
            share = torch.bincount(counted, minlength=scores.shape[1]).to(scores) / max(len(counted), 1)
            best = share.clamp(min=1e-6).log()[None]
        else:
            return math.nan
        return self.of_scores(best.expand_as(scores).contiguous(), target)

    def of_scores(self, scores: Tensor, target: Any) -> float:
        """The loss of these scores as a number; NaN where it cannot be computed, or takes more than scores."""
        if self.criterion is None or self.takes_raw:
            return math.nan
        try:
            return float(self(scores.detach(), target))
        except (RuntimeError, ValueError, TypeError):
            return math.nan


def class_dim(scores: Tensor) -> int:
    """The dimension of the classes, as PyTorch's cross-entropy has it: the second, or the only one."""
    return 0 if scores.ndim == 1 else 1


def as_objective(loss: Any) -> Objective:
    """An objective from the name of a kind, a criterion module or a function of output and target.

    Raises UnknownNameError for a name that is no kind, CheckError for what cannot be called.
    """
    if loss is None or isinstance(loss, str):
        if loss not in WORDED:
            raise unknown("loss", loss, WORDED, "check")
        return Objective(loss, BY_NAME.get(loss or ""))
    if not callable(loss):
        raise CheckError(f"loss is {type(loss).__name__} (check); give its kind, a criterion module or a function")
    keywords: dict[str, Any] = {}
    function = loss
    while isinstance(function, functools.partial):
        keywords = {**function.keywords, **keywords}
        function = function.func
    kind = next((kind for cls, kind in OF_MODULES if isinstance(function, cls)), None)
    kind = kind or next((kind for known, kind in OF_FUNCTIONS if function is known), None)
    ignored = keywords.get("ignore_index", getattr(function, "ignore_index", -100))
    if kind == "ctc":  # it takes lengths too, which a batch does not have
        return Objective(kind, None)
    return Objective(kind, loss, kind is None, ignored)


def _cross_entropy(scores: Tensor, target: Tensor) -> Tensor:
    return functional.cross_entropy(scores.float(), target)


def _bce_with_logits(scores: Tensor, target: Tensor) -> Tensor:
    return functional.binary_cross_entropy_with_logits(scores.float(), target)


def _bce(scores: Tensor, target: Tensor) -> Tensor:
    """A float32 sum of weights can end at 1 + 1e-7, hence the clamp; what is really outside is found before."""
    return functional.binary_cross_entropy(scores.float().clamp(0, 1), target)


BY_NAME: dict[str, Callable[[Any, Any], Any]] = {
    "bce-with-logits": _bce_with_logits,
    "bce": _bce,
    "cross-entropy": _cross_entropy,
}
