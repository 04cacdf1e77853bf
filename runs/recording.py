from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from torch import Tensor, nn
from torch.optim import Optimizer

from ..diagnostics import recorder
from ..diagnostics.errors import RunError
from .locking import FolderLock
from .log import RunLog, read_info, seal_left


class Recorder(recorder.Recorder):
    """Records a training loop into a run log.

    log : a folder for the run, or anything with `append(row)`. A run that stands there already is moved aside to
        `<name>.1`, `<name>.2` ...: the newest has the name, and nothing is lost
    The other arguments are those of `diagnostics.recorder.Recorder`.
    Raises RunError if another process writes to that folder; AttachError where the recorder cannot be put on.

    >>> import torch
    >>> rows = []
    >>> model = torch.nn.Linear(3, 2)
    >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    >>> with Recorder(model, optimizer, log=rows, loss="bce-with-logits") as recorder:
    ...     loss = torch.nn.functional.binary_cross_entropy_with_logits(model(torch.ones(4, 3)), torch.ones(4, 2))
    ...     loss.backward()
    ...     _ = optimizer.step()
    ...     recorder.step(loss=loss)
    >>> rows[0]["iteration"], len(rows[0]["gradient_norm"])
    (0, 2)
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: Optimizer | Sequence[Optimizer],
        *,
        log: Any,
        classes: Sequence[str] | None = None,
        loss: str | None = None,
        level: str = "standard",
        attention: Mapping[str, str] | None = None,
        scaler: Any = None,
        pinned: Mapping[str, Tensor] | None = None,
        on_finding: Callable[..., None] | None = None,
    ) -> None:
        sink = log if hasattr(log, "append") else RunLog(set_aside(Path(log)))
        try:
            super().__init__(
                model,
                optimizer,
                log=sink,
                classes=classes,
                loss=loss,
                level=level,
                attention=attention,
                scaler=scaler,
                pinned=pinned,
                on_finding=on_finding,
            )
        except BaseException:
            if isinstance(sink, RunLog):
                sink.close("failed")
            raise


def set_aside(path: Path) -> Path:
    """The path, free: a run that stood there is sealed and renamed to the first free `<name>.<number>`.

    Raises RunError if the run is being written.
    """
    if not (path / "run.json").is_file():
        return path
    lock = FolderLock(path)
    try:
        with suppress(RunError):  # a run.json that cannot be read, or of a newer Flatline: moved as it is
            read_info(path)
            seal_left(path)
        numbers = (number for number in range(1, 10**9) if not path.with_name(f"{path.name}.{number}").exists())
        path.rename(path.with_name(f"{path.name}.{next(numbers)}"))
    finally:
        lock.close()
    return path
