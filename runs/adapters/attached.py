"""What the adapters share: a recorder that lives as long as a fit does, and batches pooled as one."""

from collections.abc import Sequence
from typing import Any, Self

import torch

from ..recording import Recorder


class Attached:
    """Makes the recorder when a fit begins and closes it however that ends.

    As a context it also ends what its framework does not tell callbacks of: an exception in the fit.
    """

    recorder_: Recorder | None = None
    hook_: Any = None

    def attach(self, model: torch.nn.Module, optimizers: Any, hook: Any = None, **options: Any) -> None:
        """Begin a run, and have the hook called after the model's forward passes.

        A run that is still open is of a fit that raised: it has failed.
        """
        self.detach("failed")
        self.recorder_ = Recorder(model, optimizers, **options)
        self.hook_ = None if hook is None else model.register_forward_hook(hook, with_kwargs=True)

    def detach(self, status: str = "finished") -> None:
        """Take the recorder off and close the run; where there is none, nothing happens."""
        recorder, self.recorder_ = self.recorder_, None
        hook, self.hook_ = self.hook_, None
        if hook is not None:
            hook.remove()
        if recorder is not None:
            recorder.close(status)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, traceback: object) -> None:
        self.detach(status_after(kind))

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "recorder_": None, "hook_": None}


def status_after(kind: type[BaseException] | None) -> str:
    """A run's status after a fit that ended with this exception; an exit on a signal is an interruption."""
    if kind is None:
        return "finished"
    return "interrupted" if issubclass(kind, (KeyboardInterrupt, SystemExit)) else "failed"


def on_cpu(**tensors: Any) -> dict[str, Any]:
    """What a batch gave, without its history and off the device; what is no tensor is left out."""
    return {name: value.detach().cpu() for name, value in tensors.items() if isinstance(value, torch.Tensor)}


def pooled(batches: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Batches as one: what each of them has, clips together; the loss is the mean over clips."""
    names = set(batches[0]).intersection(*batches[1:]) if batches else set()
    joined = {name: torch.cat([batch[name] for batch in batches]) for name in names - {"loss"}}
    if "loss" in names and "target" in names:
        clips = torch.tensor([float(len(batch["target"])) for batch in batches])
        joined["loss"] = torch.stack([batch["loss"].float().mean() for batch in batches]) @ clips / clips.sum()
    return joined
