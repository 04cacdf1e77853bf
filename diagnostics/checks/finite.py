"""NaN and infinity, and the first module that produced them."""

from collections.abc import Iterator

import numpy as np

from .fault import Fault
from .given import n_nonfinite
from .subject import Subject


def check_finite(subject: Subject) -> Iterator[Fault]:
    """The first thing that is not finite, in the order of the computation: weights, modules, loss, gradients.

    A module that gives infinity on its way to finite scores, loss and gradients (a mask, say) is no more than worth
    knowing. Inputs and targets are looked at by `checks.inputs` and `checks.labels`.
    """
    first = subject.first
    if sum(map(n_nonfinite, subject.batch.tensors())):
        return
    for name, parameter in subject.model.named_parameters():
        if (lost := n_nonfinite(parameter)) > 0:
            yield Fault("nonfinite-parameter", "critical", name, {"n_nonfinite": lost})
            return
    loss = first.loss_value
    is_lost = bool(subject.scores is not None and n_nonfinite(subject.scores)) or (
        first.loss is not None and not np.isfinite(loss)
    )
    is_lost = is_lost or any(gradient is not None and n_nonfinite(gradient) for gradient in first.gradients.values())
    origin = next((call for call in first.trace.calls if call.n_nonfinite and call.is_input_finite), None)
    if origin is not None:
        severity = "critical" if is_lost else "info"
        yield Fault("nonfinite-module", severity, origin.path, {"n_nonfinite": origin.n_nonfinite})
    elif first.loss is not None and not np.isfinite(loss):
        yield Fault("nonfinite-loss", "critical", "loss", {"loss": loss})
    elif is_lost:
        lost = {name for name, one in first.gradients.items() if one is not None and n_nonfinite(one)}
        where = first.gradient_origin or next(iter(lost), "loss")
        yield Fault("nonfinite-gradient", "critical", where, {"n_tensors": float(len(lost))})
