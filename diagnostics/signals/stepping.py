"""Hooks on an optimiser's step that see the gradients it steps with."""

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from torch.optim import Optimizer

StepHook = Callable[[Optimizer], None]


def before_step(optimizer: Optimizer, hook: StepHook, stack: ExitStack) -> None:
    """Call `hook` when the optimiser is about to step, or after the first call of a closure that makes the gradients.

    hook : raises nothing
    """

    def before(optimizer: Optimizer, args: Any, kwargs: Any) -> Any:
        closure = kwargs.get("closure", args[1] if len(args) > 1 else None)
        if not callable(closure):
            return hook(optimizer)
        wrapped = _followed_by(closure, lambda: hook(optimizer))
        if "closure" in kwargs:
            return args, {**kwargs, "closure": wrapped}
        return (args[0], wrapped, *args[2:]), kwargs

    stack.callback(optimizer.register_step_pre_hook(before).remove)


def _followed_by(closure: Callable[[], Any], work: Callable[[], None]) -> Callable[[], Any]:
    """The closure, with work done after its first call."""
    called = False

    def wrapped() -> Any:
        nonlocal called
        loss = closure()
        if not called:
            called = True
            work()
        return loss

    return wrapped
