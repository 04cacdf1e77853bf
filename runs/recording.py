import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from ..diagnostics import recorder
from ..diagnostics.errors import RunError
from ..diagnostics.subject import is_writer
from ..diagnostics.telling import Nowhere
from .kept_clips import KeptClip, keep_clip
from .log import RunLog, read_info, seal_left
from .mirror import opened
from .moving import move, remove
from .places import is_remote, place
from .store_lock import lock_of

LARGEST_MEL = 2**22
"""Values of a pinned clip up to which it is kept (16 MB); ours: ten minutes of 100 frames a second and 64 mel bins."""


class Recorder(recorder.Recorder):
    """Records a training loop into a run log.

    log : a folder for the run, an address that fsspec knows (`s3://bucket/logs/mine`), or anything with `append(row)`.
        A run that stands there already is moved aside to `<name>.1`, `<name>.2` ...: the newest has the name, and
        nothing is lost
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
        level: str | Sequence[str] = "standard",
        attention: Mapping[str, str] | None = None,
        scaler: Any = None,
        pinned: Mapping[str, Tensor] | None = None,
        on_finding: Callable[..., None] | None = None,
        activations: Sequence[str] | None = None,
        bent: bool = False,
    ) -> None:
        if not is_writer():
            log = Nowhere()
        is_sink = hasattr(log, "append")
        path = None if is_sink else place(log)
        moved = None if path is None else set_aside(path)
        there = None if path is None or not path.is_dir() else {entry.name for entry in path.iterdir()}
        sink = log if path is None else RunLog(path, own_loop(model))
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
                activations=activations,
                bent=bent,
            )
        except BaseException:
            if path is not None:  # as if nothing had been asked: no empty run, and the one that stood there back
                sink.close("failed")
                _remove(path, there)
                if moved is not None:
                    move(moved, path)
            raise
        if path is not None:
            _keep_pinned(sink, pinned or {})


def _remove(folder: Path, there: set[str] | None) -> None:
    """Take away a run that was begun: its folder, or what is new in one that was `there` (an empty one, a .git)."""
    if is_remote(folder):
        remove(folder)
        return
    for entry in folder.iterdir():
        if there is None or entry.name not in there:
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
    if there is None:
        folder.rmdir()


def _keep_pinned(log: RunLog, clips: Mapping[str, Tensor]) -> None:
    """Keep what the model is given of the pinned clips, where it is (frame, mel); without sound, which nobody gave."""
    for name, clip in clips.items():
        if clip.ndim == 2 and clip.is_floating_point() and clip.numel() <= LARGEST_MEL:
            keep_clip(log.folder, KeptClip(name, clip.detach().float().cpu().numpy()), fsync=log.fsync)


def own_loop(model: nn.Module) -> dict[str, Any]:
    """What run.json says of a run without a recipe: the seed that PyTorch was given last, and the weights' device."""
    device = next((str(parameter.device) for parameter in model.parameters()), "cpu")
    return {"recipe": None, "seed": torch.initial_seed(), "device": device}


def set_aside(path: Path) -> Path | None:
    """Free a path: a run that stands there is sealed and moved to the first free `<name>.<number>`.

    Returns where it is now; None if there was none.
    Raises RunError if the run is being written.
    """
    if not (path / "run.json").is_file():
        return None
    if not is_remote(path) or (path / "tail").is_dir():
        with opened(path) as folder, suppress(RunError):  # a newer Flatline's run.json, a broken one: moved as it is
            read_info(folder)
            seal_left(folder)
    with closing(lock_of(path)):
        numbers = (number for number in range(1, 10**9) if not path.with_name(f"{path.name}.{number}").exists())
        return move(path, path.with_name(f"{path.name}.{next(numbers)}"))
