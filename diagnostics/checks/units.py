"""Units that are dead or saturated before training, and layers that work on a single element."""

from collections import defaultdict
from collections.abc import Iterator

import numpy as np

from .fault import Fault
from .subject import Subject
from .trace import GATED_STATE

SATURATED = 0.5
"""Share of recurrent states beyond |h| > .9, of an LSTM's gates beyond 5 % and 95 %. AutoTrainer and DeepDiagnosis warn
at half of the units; the story's plateau has .85, its nets start below .01."""

DEAD = 0.99
"""Share of zeros in what a ReLU gives. Half is usual; AutoTrainer's 70 % is reached by sparse inputs.
Ours."""


def check_norms(subject: Subject) -> Iterator[Fault]:
    """Batch norms that have one value a channel (PyTorch refuses), or one clip."""
    for path, n_values in subject.first.trace.normalised.items():
        if n_values == 1:
            yield Fault("batchnorm-one-value", "critical", path, {"n_values": n_values})
        elif subject.batch.n_clips == 1:
            yield Fault("batchnorm-one-clip", "warning", path, {"n_values": n_values})


def check_units(subject: Subject) -> Iterator[Fault]:
    """Recurrent states near their bounds, ReLUs that give only zeros, softmaxes over one element."""
    yield from _saturated(subject)
    yield from _dead(subject)
    if subject.objective.kind in ("cross-entropy", "nll") and subject.scores is not None and subject.scores.ndim < 2:
        return
    for path in dict.fromkeys(one.path for one in subject.first.softmaxes if one.result.shape[one.dim :][:1] == (1,)):
        yield Fault("single-element-softmax", "warning", path, {"n_elements": 1})


def _saturated(subject: Subject) -> Iterator[Fault]:
    shares = defaultdict(list)
    for call in subject.first.trace.calls:
        if np.isfinite(call.saturated):
            shares[call.path].append(call.saturated)
    modules = dict(subject.model.named_modules())
    for path, share in shares.items():
        if (saturated := float(np.mean(share))) > SATURATED:
            key = "saturated-gates" if isinstance(modules[path], GATED_STATE) else "saturated-rnn"
            yield Fault(key, "warning", path, {"saturated": saturated})


def _dead(subject: Subject) -> Iterator[Fault]:
    for one in subject.first.relus:
        zeros = float((one.result == 0).float().mean()) if one.result.numel() else 0.0
        if zeros >= DEAD:
            yield Fault("dead-relu", "warning", one.path, {"zeros": zeros})
