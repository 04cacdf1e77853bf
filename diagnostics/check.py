"""What is wrong before the first iteration: one forward and backward pass on one batch, and what it says."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn
from torch.nn.parameter import is_lazy
from torch.optim import Optimizer

from .checks.fault import Fault
from .checks.finite import check_finite
from .checks.first_loss import check_first_loss, measured
from .checks.given import CheckError, as_batch
from .checks.gradients import check_gradients, check_held
from .checks.inputs import check_constant_output, check_inputs
from .checks.labels import check_labels
from .checks.objective import as_objective
from .checks.one_pass import one_line, quietly
from .checks.rates import check_rates
from .checks.scores import check_scores
from .checks.subject import Subject
from .checks.units import check_norms, check_units
from .checks.untouched import Untouched
from .checks.words import WORDS, worded
from .findings import SEVERITIES, Finding, Severity, Undetermined
from .subject import as_optimizers, unwrapped

Check = Callable[[Subject], Iterable[Fault]]

BEFORE_LOSS: tuple[Check, ...] = (check_norms, check_inputs, check_labels, check_scores)
"""What is known from the forward pass, targets before scores."""

AFTER_LOSS: tuple[Check, ...] = (
    check_finite,
    check_first_loss,
    check_constant_output,
    check_gradients,
    check_units,
    check_rates,
)

BARS_LOSS = (
    "sizes-differ",
    "target-outside",
    "target-not-float",
    "target-index-outside",
    "target-float-indices",
    "target-empty",
    "logits-into-probabilities",
)
"""Faults under which the loss raises and is not computed: on a GPU that would end the process's work there."""

NONFINITE = tuple(key for key, words in WORDS.items() if words.kind == "non-finite")

OF_DEAD_INPUT = ("constant-output", "zero-gradient", "one-frame-recurrence")
OF_DEAD_OUTPUT = (*OF_DEAD_INPUT, "no-gradient-anywhere", "single-element-softmax")

EXPLAINS: Mapping[str, tuple[str, ...]] = {
    **{key: ("first-loss-high", "no-gradient-anywhere", "zero-gradient", "constant-output") for key in NONFINITE},
    "nonfinite-inputs": (*NONFINITE[1:], "constant-output"),
    "nonfinite-target": ("nonfinite-loss", "nonfinite-gradient"),
    "target-ignored": ("nonfinite-loss", "nonfinite-gradient"),
    "single-class-softmax": (*OF_DEAD_OUTPUT, "first-loss-low", "first-loss-high", "target-one-valued"),
    "probabilities-into-logits": ("first-loss-high",),
    "not-log-probabilities": ("first-loss-low", "first-loss-high"),
    "one-sided-scores": ("first-loss-high",),
    "inputs-equal": OF_DEAD_INPUT,
    "inputs-constant": OF_DEAD_INPUT,
    "no-gradient-anywhere": ("vanished-gradient", "rate-too-low"),
    "none-held": ("not-held",),
}
"""What a fault explains by itself; that is then not told beside it."""


@dataclass(frozen=True)
class Checked:
    """What a check before training found.

    findings : worst first; onset 0
    undetermined : kinds that this call could not judge, and what was missing
    measured : numbers that were looked at: the first loss and what it is held against, the range of the scores
    """

    findings: tuple[Finding, ...]
    undetermined: tuple[Undetermined, ...] = ()
    measured: Mapping[str, float] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether nothing critical was found."""
        return self.worst != "critical"

    @property
    def worst(self) -> Severity | None:
        """The worst severity; None where nothing was found. What was not trained yet has no verdict."""
        return self.findings[0].severity if self.findings else None

    def __str__(self) -> str:
        if not self.findings:
            return "nothing is wrong that shows before training"
        return "\n".join(map(_in_words, self.findings))


def _in_words(finding: Finding) -> str:
    place = f" in {finding.where}" if finding.where else ""
    return f"{finding.severity}: {finding.kind}{place}\n  {finding.explanation}"


def check(
    model: nn.Module,
    loss: Any,
    batch: Any,
    *,
    optimizer: Optimizer | Sequence[Optimizer] | None = None,
    classes: Sequence[str] | int | None = None,
) -> Checked:
    """What is wrong with a model, a loss and a batch before the first iteration.

    One forward and backward pass in training mode, a few forward passes more where something looks suspicious. Model,
    optimiser, batch and random states are afterwards what they were, bit by bit, after an exception too.

    model : any nn.Module; inside torch.compile or DistributedDataParallel the network itself is looked at. One that
        says what it gives (`output`: "logits" or "probabilities") is believed
    loss : "bce-with-logits", "bce" (probabilities), "cross-entropy" (logits, class indices), "ctc", None, a criterion
        module or a function of (output, target); PyTorch's own are known by what they are
    batch : (inputs, target), (inputs, target, mask) or a dict of these; inputs are a tensor, a PackedSequence, a
        tuple of positional or a dict of keyword arguments; on the model's device. One of four clips or more says most
    optimizer : the one or those that will train it: who is held, and how large the first update would be
    classes : names or number of the classes
    Raises CheckError where the model cannot be run on this batch, UnknownNameError for a loss of no known name.

    >>> net = nn.Sequential(nn.Linear(4, 3), nn.Sigmoid())
    >>> found = check(net, "bce-with-logits", (torch.randn(8, 4), torch.eye(8, 3)))
    >>> found.findings[0].kind, found.findings[0].where, found.ok
    ('broken-objective', '1', False)
    """
    objective, given = as_objective(loss), as_batch(batch)
    network = _network(model)
    optimizers = [] if optimizer is None else as_optimizers(optimizer)
    names = classes if isinstance(classes, int) or classes is None else len(classes)
    others = [loss] if isinstance(loss, nn.Module) else []
    with quietly(), Untouched([network, *others]) as untouched, torch.inference_mode(False), torch.enable_grad():
        if not network.training:
            network.train()
        subject = Subject(network, objective, given, optimizers, names, untouched)
        faults = list(_faults(subject))
        numbers = _measured(subject)
    explained = {key for fault in faults for key in EXPLAINS.get(fault.key, ())}
    findings = [worded(fault) for fault in faults if fault.key not in explained]
    findings.sort(key=lambda finding: SEVERITIES.index(finding.severity))
    return Checked(tuple(findings), tuple(_undetermined(subject)), numbers)


def _faults(subject: Subject) -> Iterator[Fault]:
    failure = subject.first.failure
    if failure is not None:
        known = [fault for fault in (*check_norms(subject), *check_inputs(subject)) if fault.severity == "critical"]
        if not any(fault.key == "batchnorm-one-value" for fault in known):
            place = ([*subject.first.trace.entered] or [""])[-1] or "the network itself"
            raise CheckError(
                f"the model cannot be run on this batch ({one_line(failure)}), in {place} (check); "
                "give what its forward takes"
            ) from failure
        yield from known
        return
    for one in BEFORE_LOSS:
        known = list(one(subject))
        subject.is_loss_barred |= any(fault.key in BARS_LOSS for fault in known)
        yield from known
    if not subject.is_loss_barred:
        subject.differentiate()
        for one in AFTER_LOSS:
            yield from one(subject)
    yield from check_held(subject)


def _network(model: Any) -> nn.Module:
    if not isinstance(model, nn.Module):
        raise CheckError(f"model is {type(model).__name__}, not a torch.nn.Module (check); give model, loss, batch")
    network = unwrapped(model)
    lazy = [name for name, one in network.named_parameters() if is_lazy(one)]
    if lazy:
        raise CheckError(f"{lazy[0]} has no shape yet (check); call the model once on a batch first")
    return network


def _measured(subject: Subject) -> dict[str, float]:
    scores = subject.scores
    if scores is None or not scores.numel():
        return {}
    return {**measured(subject), "output_min": float(scores.min()), "output_max": float(scores.max())}


def _undetermined(subject: Subject) -> Iterator[Undetermined]:
    objective = subject.objective
    if objective.kind is None:
        yield Undetermined("broken-objective", "it is not known what the loss takes; give its kind")
    if subject.target is None or objective.kind in (None, "ctc"):
        yield Undetermined("label-problem", "the target's form is not known without the loss's kind")
    if not subject.optimizers:
        yield Undetermined("learning-rate-too-high", "no optimizer was given")
        yield Undetermined("learning-rate-too-low", "no optimizer was given")
