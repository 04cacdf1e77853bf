"""One forward and backward pass, as training does it, without an update."""

import warnings
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from .given import Batch, CheckError, n_nonfinite, scores_in
from .objective import Objective
from .trace import RELU, SOFTMAX, Operation, Trace

CHECKPOINT = "CheckpointFunctionBackward"
"""How autograd names a reentrant activation checkpoint."""


@dataclass
class Pass:
    """What came of a forward pass, and of `backward` where it was called.

    failure : what the forward pass raised; then there is no output
    scores : the floating tensor of the output that the loss is about; None where there is none
    loss : whatever the criterion gave; None before `differentiate`, and where it raised, which `loss_failure` says
    gradients : by parameter that is to be trained; None where the loss does not depend on it
    gradient_origin : module nearest to the loss at whose output the gradient is not finite
    """

    trace: Trace
    output: Any = None
    failure: Exception | None = None
    scores: Tensor | None = None
    loss: Any = None
    loss_failure: str = ""
    gradients: Mapping[str, Tensor | None] = field(default_factory=dict)
    gradient_origin: str | None = None
    softmaxes: list[Operation] = field(default_factory=list)
    relus: list[Operation] = field(default_factory=list)

    @property
    def loss_value(self) -> float:
        """The loss as a number, its mean where it has several values; NaN where there is none."""
        return float(self.loss.detach().float().mean()) if isinstance(self.loss, Tensor) else float("nan")


def forward(model: nn.Module, batch: Batch) -> Pass:
    """Run the model in training mode with hooks on every module."""
    trace = Trace()
    with ExitStack() as stack:
        trace.attach(model, stack)
        try:
            output = batch.call(model)
        except Exception as failure:  # whatever a user's forward raises
            return Pass(trace, failure=failure)
    softmaxes, relus = trace.operations(SOFTMAX), trace.operations(RELU)
    return Pass(trace, output, scores=scores_in(output), softmaxes=softmaxes, relus=relus)


def outputs_only(model: nn.Module, batch: Batch) -> Tensor | None:
    """The scores without a graph; None where the model cannot be run or gives none."""
    with torch.no_grad():
        try:
            return scores_in(batch.call(model))
        except Exception:  # with weights that nobody chose a model may raise
            return None


def differentiate(model: nn.Module, done: Pass, objective: Objective, target: Any) -> None:
    """Compute the loss and the gradients of a pass.

    Without a criterion the scores, weighted at random (seeded), stand for the loss: what they do not depend on, no loss
    does. Raises CheckError where the backward pass fails.
    """
    if objective.criterion is None or target is None:
        total = None if done.scores is None else (done.scores * _weights_like(done.scores)).sum()
    else:
        try:
            done.loss = objective(done.output if objective.takes_raw else done.scores, target)
        except Exception as failure:  # whatever a user's criterion raises
            done.loss_failure = one_line(failure)
            return
        total = done.loss.mean() if isinstance(done.loss, Tensor) and done.loss.is_floating_point() else None
    names = [name for name, parameter in model.named_parameters() if parameter.requires_grad]
    if total is None or not total.requires_grad:
        done.gradients = dict.fromkeys(names)
        return
    done.gradients = dict(zip(names, _gradients(model, done, total), strict=True))
    if any(gradient is not None and n_nonfinite(gradient) for gradient in done.gradients.values()):
        done.gradient_origin = _origin(done, total)


def _gradients(model: nn.Module, done: Pass, total: Tensor) -> list[Tensor | None]:
    """Gradients of the parameters that are to be trained.

    Without backward(), so that no hook on a parameter's gradient steps an optimiser; reentrant activation checkpoints
    take nothing else.
    """
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    if not trained:
        return []
    try:
        if not done.trace.has(CHECKPOINT):
            return list(torch.autograd.grad(total, trained, allow_unused=True, retain_graph=True))
        total.backward(retain_graph=True)
    except RuntimeError as failure:
        raise CheckError(f"the backward pass fails ({one_line(failure)}) (check); mend that first") from failure
    found = [parameter.grad for parameter in trained]
    for parameter in trained:
        parameter.grad = None
    return found


def _origin(done: Pass, total: Tensor) -> str | None:
    """The module nearest to the loss at whose output the gradient is not finite any more; None if it is so nowhere."""
    for call in reversed(done.trace.calls):
        given = [tensor for tensor in call.outputs if tensor.requires_grad and tensor.grad_fn is not None]
        if call.path and given:
            try:
                gradients = torch.autograd.grad(total, given, allow_unused=True, retain_graph=True)
            except RuntimeError:
                return None
            if any(gradient is not None and n_nonfinite(gradient) for gradient in gradients):
                return done.trace.giving(given[0])
    return None


def _weights_like(scores: Tensor) -> Tensor:
    return torch.randn(scores.shape, generator=torch.Generator().manual_seed(0)).to(scores)


def one_line(failure: BaseException) -> str:
    """An exception's message in one line of at most 300 characters, with its type."""
    return f"{type(failure).__name__}: {' '.join(str(failure).split())}"[:300]


@contextmanager
def quietly() -> Iterator[None]:
    """PyTorch's own warnings on what a check reports itself are not printed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
