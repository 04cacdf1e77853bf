"""How large the first update would be: a copy of the optimiser takes it, on copies of the weights."""

import copy
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor
from torch.optim import Optimizer

from .fault import Fault
from .given import n_nonfinite
from .subject import Subject

HIGH, ABSURD = 1.0, 10.0
"""Median over weights of |update| / |weight|, above which the first update replaces the weights. Tools warn at .1,
which Adam at 1e-2 passes on sound small nets. Ours."""

LOW = 1e-6
"""Largest |update| / |weight| of all weights; float32 rounds away what is below 6e-8. SageMaker Debugger warns at 1e-5,
which SGD on a good start passes. A rate that a schedule is raising from zero is not judged. Ours."""


def check_rates(subject: Subject) -> Iterator[Fault]:
    """First updates as large as the weights, or so small that they change nothing."""
    if any(gradient is not None and n_nonfinite(gradient) for gradient in subject.first.gradients.values()):
        return
    for optimizer in subject.optimizers:
        ratios = update_ratios(subject, optimizer)
        if not ratios:
            continue
        rate = max(float(group.get("lr", np.nan)) for group in optimizer.param_groups)
        median, largest = float(np.median(list(ratios.values()))), max(ratios.values())
        if median > HIGH:
            severity = "critical" if median > ABSURD else "warning"
            yield Fault("rate-too-high", severity, "optimizer", {"update_ratio": median, "learning_rate": rate})
        elif largest < LOW and not _is_scheduled(optimizer):
            yield Fault("rate-too-low", "warning", "optimizer", {"update_ratio": largest, "learning_rate": rate})


def update_ratios(subject: Subject, optimizer: Optimizer) -> dict[str, float]:
    """|update| / |weight| of each weight with two dimensions or more and a gradient; empty where it is not known."""
    names = {id(parameter): name for name, parameter in subject.model.named_parameters()}
    mine = [names.get(id(parameter)) for group in optimizer.param_groups for parameter in group["params"]]
    try:
        twin = copy.deepcopy(optimizer)
        theirs = [parameter for group in twin.param_groups for parameter in group["params"]]
        before = [parameter.detach().clone() for parameter in theirs]
        for name, parameter in zip(mine, theirs, strict=True):
            gradient = subject.first.gradients.get(name or "")
            parameter.grad = None if gradient is None else gradient.detach().clone()
        with torch.no_grad():
            twin.step()
    except Exception:  # an optimiser that takes a closure, or that cannot be copied
        return {}
    ratios = {}
    for name, parameter, was in zip(mine, theirs, before, strict=True):
        size = float(was.double().norm())
        if name and parameter.ndim > 1 and size > 0 and _is_moved(parameter.grad):
            ratios[name] = float((parameter.detach() - was).double().norm()) / size
    return {name: ratio for name, ratio in ratios.items() if np.isfinite(ratio)}


def _is_moved(gradient: Tensor | None) -> bool:
    """Whether there is a gradient that is not 0: behind a head that starts at 0 there is none yet."""
    return gradient is not None and bool(torch.any(gradient.coalesce().values() if gradient.is_sparse else gradient))


def _is_scheduled(optimizer: Optimizer) -> bool:
    """Whether a schedule has changed the rate: PyTorch's schedules keep the first one in the group."""
    return any(group.get("initial_lr", group.get("lr")) != group.get("lr") for group in optimizer.param_groups)
