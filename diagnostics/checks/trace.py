"""What happened in one forward pass: each module's call, in the order of their ends, and whose each operation is."""

from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ..parts import RECURRENT, has_bounded_state
from .given import n_nonfinite, tensors_in

SOFTMAX = ("SoftmaxBackward0", "LogSoftmaxBackward0")
RELU = ("ReluBackward0",)
GATED_STATE = (nn.LSTM, nn.LSTMCell)

SHUT = 2.944
"""Input of a sigmoid that gives .95, and below minus which it gives less than .05."""


@dataclass(frozen=True)
class Call:
    """One call of a module: what came in (finite or not, the first tensor's shape) and what it gave."""

    path: str
    module: nn.Module
    is_input_finite: bool
    input_shape: tuple[int, ...]
    n_nonfinite: int
    outputs: tuple[Tensor, ...]
    saturated: float


@dataclass(frozen=True)
class Operation:
    """One softmax or ReLU: the module it was done in (innermost), its name in autograd, its result, its dimension."""

    path: str
    name: str
    result: Tensor
    dim: int


class Trace:
    """Hooks for one forward pass.

    An operation belongs to the innermost module that was running: when a module is called, what autograd has recorded
    so far and nobody owns is its caller's; when it ends, what is new is its own.

    entered : modules that are running; after an exception the last one is where it happened
    normalised : values a channel that each batch norm by path had to normalise, in training
    """

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.entered: list[str] = []
        self.normalised: dict[str, int] = {}
        self._owners: dict[Any, str] = {}
        self._came: list[tuple[bool, tuple[int, ...]]] = []

    def attach(self, model: nn.Module, stack: ExitStack) -> None:
        """Put the hooks on; the stack takes them off."""
        for path, module in model.named_modules():
            if isinstance(module, torch.jit.ScriptModule) and path:
                continue
            before = module.register_forward_pre_hook(self._before(path), with_kwargs=True)
            stack.callback(before.remove)
            after = module.register_forward_hook(self._after(path), with_kwargs=True)
            stack.callback(after.remove)

    def operations(self, names: tuple[str, ...]) -> list[Operation]:
        """Those of these names in autograd's graph; only before the backward pass, which frees their results."""
        found = []
        for node, path in self._owners.items():
            if node.name() in names:
                dim = getattr(node, "_saved_dim", 0)  # unsigned: -1 comes as 2**64 - 1
                found.append(Operation(path, node.name(), node._saved_result, dim - 2**64 if dim >= 2**63 else dim))
        return found

    def last_with_weights(self) -> str | None:
        """The module with parameters of its own whose call ended last; None where there is none."""
        owning = [call.path for call in self.calls if next(call.module.parameters(recurse=False), None) is not None]
        return owning[-1] if owning else None

    def giving(self, tensor: Tensor) -> str:
        """The innermost module that gave this very tensor; empty for the network itself."""
        return next((call.path for call in self.calls if any(given is tensor for given in call.outputs)), "")

    def has(self, name: str) -> bool:
        """Whether autograd's graph has an operation of this name."""
        return any(node.name() == name for node in self._owners)

    def owner(self, node: Any) -> str:
        """The module in which an operation of autograd's graph was done."""
        return self._owners.get(node, "")

    def _before(self, path: str) -> Any:
        def hook(module: nn.Module, args: Any, kwargs: Any) -> None:
            given = [*tensors_in(args), *tensors_in(kwargs)]
            for tensor in given:
                self._claim(tensor, self.entered[-1] if self.entered else "")
            self.entered.append(path)
            shape = tuple(given[0].shape) if given else ()
            self._came.append((not any(map(n_nonfinite, given)), shape))
            if isinstance(module, nn.modules.batchnorm._BatchNorm) and module.training and given:
                self.normalised[path] = given[0].numel() // max(module.num_features, 1)

        return hook

    def _after(self, path: str) -> Any:
        def hook(module: nn.Module, args: Any, kwargs: Any, output: Any) -> None:
            given = tuple(tensors_in(output))
            for tensor in given:
                self._claim(tensor, path)
            while self.entered and self.entered.pop() != path:  # a module above may have caught an exception
                self._came.pop()
            is_finite, shape = self._came.pop() if self._came else (True, ())
            saturated = saturated_share(module, tuple(tensors_in((args, kwargs))), given)
            self.calls.append(Call(path, module, is_finite, shape, sum(map(n_nonfinite, given)), given, saturated))

        return hook

    def _claim(self, tensor: Tensor, path: str) -> None:
        waiting: list[Any] = [tensor.grad_fn]
        while waiting:
            node = waiting.pop()
            if node is not None and node not in self._owners:
                self._owners[node] = path
                waiting.extend(following for following, _ in node.next_functions)


def saturated_share(module: nn.Module, inputs: tuple[Tensor, ...], outputs: tuple[Tensor, ...]) -> float:
    """Share of a recurrent module's states beyond |h| > .9; NaN for other modules, and states without bounds.

    Of an LSTM, whose output gate hides saturated states, the share of the first layer's gates that the input alone puts
    beyond 5 % or 95 %.
    """
    if isinstance(module, GATED_STATE) and inputs:
        suffix = "" if isinstance(module, nn.LSTMCell) else "_l0"
        weight, bias = (getattr(module, f"{name}_ih{suffix}", None) for name in ("weight", "bias"))
        assert weight is not None
        with torch.no_grad():
            before = nn.functional.linear(inputs[0].to(weight), weight, bias)
        return float((before.abs() > SHUT).float().mean())
    if not isinstance(module, RECURRENT) or not has_bounded_state(module) or not outputs or not outputs[0].numel():
        return float("nan")
    return float((outputs[0].detach().abs() > 0.9).float().mean())
