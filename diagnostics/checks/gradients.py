"""Whether every parameter gets a gradient of a sound size, and an optimiser holds it."""

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from ..findings import Severity
from .fault import Fault
from .given import n_nonfinite
from .one_pass import Pass
from .subject import Subject, n_weights, whole_modules

VANISHED = 1e-7
"""Norm of a weight's gradient beside the largest in the net: float32's rounding (6e-8). AutoTrainer warns at 1e-4,
which healthy nets reach before training. Ours."""

EXPLODED = 1e4
"""Norm of the whole gradient; the healthy nets of the tests have 1e-3 to 1e2 at iteration 0. Ours."""

RECURRENT_WEIGHTS = "weight_hh"
"""How PyTorch's RNNs and cells begin the names of the weights from state to state."""


def check_gradients(subject: Subject) -> Iterator[Fault]:
    """Parameters without a gradient, or with one that is exactly 0, that vanishes or that explodes."""
    names = [name for name, _ in subject.model.named_parameters()]
    trained = [name for name, parameter in subject.model.named_parameters() if parameter.requires_grad]
    if not names:
        return
    if not trained:
        yield Fault("all-frozen", "critical", "", {"n_parameters": n_weights(subject.model, names)})
        return
    yield from _frozen(subject, set(names) - set(trained))
    gradients = subject.first.gradients
    if subject.first.loss_failure or not gradients or any(map(_is_broken, gradients.values())):
        return
    missing, zero = lacking(subject.first), zeros(subject.first)
    if zero and subject.nudged is not None:
        zero &= zeros(subject.nudged)
    if not set(trained) - missing - zero:
        evidence = {"n_missing": float(len(missing)), "n_zero": float(len(zero))}
        yield Fault("no-gradient-anywhere", "critical", "", evidence)
        return
    yield from _grouped(subject, "no-gradient", missing)
    yield from _zero(subject, zero, missing)
    yield from _sizes(subject, set(trained) - missing - zero)


def check_held(subject: Subject) -> Iterator[Fault]:
    """Parameters that are to be trained and that no optimiser holds."""
    if not subject.optimizers:
        return
    held = {id(parameter) for one in subject.optimizers for group in one.param_groups for parameter in group["params"]}
    trained = {name: parameter for name, parameter in subject.model.named_parameters() if parameter.requires_grad}
    free = {name for name, parameter in trained.items() if id(parameter) not in held}
    if trained and len(free) == len(trained):
        evidence = {"n_parameters": n_weights(subject.model, list(trained))}
        yield Fault("none-held", "critical", "optimizer", evidence)
    else:
        yield from _grouped(subject, "not-held", free)


def lacking(done: Pass) -> set[str]:
    """Parameters that the loss does not depend on."""
    return {name for name, gradient in done.gradients.items() if gradient is None}


def zeros(done: Pass) -> set[str]:
    """Parameters whose gradient is exactly 0 throughout."""
    return {
        name
        for name, gradient in done.gradients.items()
        if gradient is not None and not bool(torch.any(_dense(gradient)))
    }


def norms(gradients: Mapping[str, Tensor | None]) -> dict[str, float]:
    """L2 norm of each gradient that there is."""
    return {name: float(_dense(one).double().norm()) for name, one in gradients.items() if one is not None}


def _frozen(subject: Subject, frozen: set[str]) -> Iterator[Fault]:
    """requires_grad False is a choice; that it is not meant is plain only for the layer that gives the scores."""
    for path, names in whole_modules(subject.model, frozen):
        is_output = path == subject.output_layer
        evidence = {"n_parameters": n_weights(subject.model, names)}
        yield Fault(
            "frozen-output" if is_output else "frozen-on-purpose", "warning" if is_output else "info", path, evidence
        )


def _grouped(subject: Subject, key: str, names: set[str]) -> Iterator[Fault]:
    """One fault for each largest module; critical where it holds the layer that gives the scores."""
    for path, inside in whole_modules(subject.model, names):
        layer = subject.output_layer
        has_output = layer is not None and (path == layer or layer.startswith(f"{path}.") or path == f"{layer}.weight")
        severity: Severity = "critical" if has_output else "warning"
        yield Fault(key, severity, path, {"n_parameters": n_weights(subject.model, inside)})


def _zero(subject: Subject, zero: set[str], missing: set[str]) -> Iterator[Fault]:
    """A bias whose layer learns is taken out by a norm behind it, or is that of an attention's keys: no fault."""
    cancelled = {name for name in zero if "bias" in name.rpartition(".")[2] and _learns(subject, name, zero | missing)}
    for name in sorted(cancelled):
        yield Fault("cancelled-bias", "info", name, {"n_parameters": n_weights(subject.model, [name])})
    recurrent = {name for name in zero - cancelled if name.rpartition(".")[2].startswith(RECURRENT_WEIGHTS)}
    alone = {name for name in recurrent if name.replace("weight_hh", "weight_ih") not in zero | missing}
    for name in sorted(alone):
        evidence = {"n_parameters": n_weights(subject.model, [name])}
        yield Fault("one-frame-recurrence", "warning", name, evidence)
    yield from _grouped(subject, "zero-gradient", zero - cancelled - alone)


def _learns(subject: Subject, bias: str, without: set[str]) -> bool:
    path = bias.rpartition(".")[0]
    beside = {name for name in subject.first.gradients if name.rpartition(".")[0] == path and name != bias}
    return bool(beside - without)


def _sizes(subject: Subject, names: set[str]) -> Iterator[Fault]:
    size = norms({name: subject.first.gradients[name] for name in names})
    largest, total = max(size.values()), sum(norm**2 for norm in size.values()) ** 0.5
    if total > EXPLODED:
        yield Fault("exploded-gradient", "warning", max(size, key=lambda name: size[name]), {"gradient_norm": total})
    shapes = {name: parameter.ndim for name, parameter in subject.model.named_parameters()}
    again = None if subject.nudged is None else norms(subject.nudged.gradients)
    gone = {name for name in names if shapes[name] > 1 and size[name] < VANISHED * largest}
    if again:
        gone = {name for name in gone if again.get(name, 0.0) < VANISHED * max(again.values())}
    if gone:
        first = next(name for name in shapes if name in gone)
        evidence = {"share": max(size[name] for name in gone) / largest, "largest": largest}
        n_parameters = n_weights(subject.model, list(gone))
        yield Fault("vanished-gradient", "warning", first, {**evidence, "n_parameters": n_parameters})


def _is_broken(gradient: Tensor | None) -> bool:
    return gradient is not None and n_nonfinite(gradient) > 0


def _dense(gradient: Tensor) -> Tensor:
    return gradient.coalesce().values() if gradient.is_sparse else gradient
