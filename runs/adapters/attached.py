"""What the adapters share: a recorder that lives as long as a fit does, and batches pooled as one."""

from collections.abc import Callable
from functools import wraps
from typing import Any, Self

import torch

from ...diagnostics.errors import ShapeError
from ...diagnostics.signals.quiet import Faults, Quiet
from ...diagnostics.telling import Nowhere, Teller
from ..recording import Recorder


class Attached:
    """Makes the recorder when a fit begins and closes it however that ends.

    As a context it also ends what its framework does not tell callbacks of: an exception in the fit.
    """

    recorder_: Any = None
    hook_: Any = None
    faults_: Any = None
    teller_: Any = None

    def attach(self, model: torch.nn.Module, optimizers: Any, hook: Any = None, **options: Any) -> None:
        """Begin a run, and have the hook called after the model's forward passes."""
        self.detach("failed")  # a run that is still open is of a fit that raised
        self.faults_, self.teller_ = Faults(), Teller(Nowhere())
        self.recorder_ = Recorder(model, optimizers, **options)
        if hook is not None:
            self.hook_ = model.register_forward_hook(Quiet(hook, self.faults_), with_kwargs=True)

    def row(self, epoch: int, scores: dict[str, Any], **numbers: Any) -> None:
        """Record an iteration; scores that do not fit are left out, and the norms are there all the same."""
        self.recorder_.epoch = epoch
        try:
            self.recorder_.step(**numbers, **scores)
        except ShapeError as fault:
            self.faults_.keep(fault)
            self.recorder_.step(**numbers)

    def detach(self, status: str = "finished") -> None:
        """Take the recorder off and close the run; where there is none, nothing happens."""
        recorder, hook, self.recorder_, self.hook_ = self.recorder_, self.hook_, None, None
        if hook is not None:
            hook.remove()
        if recorder is not None:
            self.teller_.guarded("the last batch", recorder.iteration, self.faults_.raise_kept)
            self.teller_.guarded("the end of the run", recorder.iteration, recorder.close, status)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, traceback: object) -> None:
        self.detach(status_after(kind))

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, **dict.fromkeys(("recorder_", "hook_", "faults_", "teller_"))}


def guarded(hook: Callable[..., None]) -> Callable[..., None]:
    """A framework's hook, called while there is a recorder; a fault is told once a run, and the fit goes on."""

    @wraps(hook)
    def call(self: Attached, *args: Any, **kwargs: Any) -> None:
        if self.recorder_ is not None:
            Quiet(hook, self.faults_)(self, *args, **kwargs)
            self.teller_.guarded(f"some of {hook.__name__}", self.recorder_.iteration, self.faults_.raise_kept)

    return call


def status_after(kind: type[BaseException] | None) -> str:
    """A run's status after a fit that ended with this exception; an exit on a signal is an interruption."""
    if kind is None:
        return "finished"
    return "interrupted" if issubclass(kind, (KeyboardInterrupt, SystemExit)) else "failed"
