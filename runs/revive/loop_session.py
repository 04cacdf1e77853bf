"""A training loop in a thread of its own that waits where it is told to, so that arms can be trained in turns."""

import random
import threading
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ...diagnostics.errors import RunError
from ..run import Run

if TYPE_CHECKING:
    from .own_loop import InterventionContext

FORGIVEN_S = 30.0
"""Seconds that a loop has to end once it is told to; ours."""


class Pause:
    """A gate in a loop's thread: it stops there, its random states put aside, until it may go on or must end.

    until : iteration at which it stops
    ended : it must end
    """

    def __init__(self) -> None:
        self.until = 0
        self.ended = False
        self._stopped, self._let_on = threading.Event(), threading.Event()

    def passes(self, iteration: int) -> bool:
        """Called by the loop: whether it may train another iteration."""
        if iteration >= self.until and not self.ended:
            kept = _random_states()
            self._stopped.set()
            self._let_on.wait()
            self._let_on.clear()
            _put_back(kept)
        return not self.ended

    def open(self, until: int | None) -> None:
        """Called by others: let it on to an iteration; None is to its end, at once."""
        self.ended = self.ended or until is None
        self.until = self.until if until is None else until
        self._let_on.set()

    def arrived(self) -> None:
        """Called by the loop's thread when it is through."""
        self._stopped.set()

    def wait(self) -> None:
        """Called by others: until it stops there, or is through."""
        self._stopped.wait()
        self._stopped.clear()


class Session:
    """One arm's loop; no two of them run at the same time.

    train : the trial, which knows its context
    run, fault : how it ended
    """

    def __init__(self, train: Callable[[], Any], context: "InterventionContext") -> None:
        self.context = context
        self._train, self._pause = train, context.pause
        self._thread: threading.Thread | None = None
        self.run: Run | None = None
        self.fault: BaseException | None = None

    @property
    def is_over(self) -> bool:
        """Whether the loop came to its end, or was told to end."""
        return self.run is not None or self.fault is not None or self._pause.ended

    @property
    def path(self) -> Path:
        """Folder of its run."""
        return self.context.log if self.run is None else Path(self.run.path)

    def advance(self, until: int) -> float:
        """Let it train up to an iteration, or its end; returns the seconds it took, 0 where it is over already."""
        if self.is_over:
            return 0.0
        since, kept = time.perf_counter(), _random_states()
        if self._thread is None:
            self._pause.until = until
            self._thread = threading.Thread(target=self._work, name=self.context.name, daemon=True)
            self._thread.start()
        else:
            self._pause.open(until)
        self._pause.wait()
        _put_back(kept)
        return time.perf_counter() - since

    def end(self) -> None:
        """Tell it to end, and wait for it, which closes its log; a warning where it does not within `FORGIVEN_S`."""
        self._pause.open(None)
        if self._thread is None:
            return
        self._thread.join(FORGIVEN_S)
        if self._thread.is_alive():
            name = self.context.name
            told = f"the loop of {name} goes on {FORGIVEN_S:g} s after it was told to end; it ends with this process"
            warnings.warn(f"{told}. Call context.goes_on before every iteration", stacklevel=2)

    def _work(self) -> None:
        try:
            seed = self.context.seed
            random.seed(seed)
            np.random.seed(seed % 2**32)  # noqa: NPY002  (for loops that draw from it)
            torch.manual_seed(seed)
            given = self._train()
            if not isinstance(given, Run):
                raise RunError(f"the trial function gave {type(given).__name__}, not its flatline.Run; return that")
            self.run = given
        except BaseException as error:
            self.fault = error
        finally:
            self._pause.arrived()


def _random_states() -> tuple[Any, ...]:
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else None
    return random.getstate(), np.random.get_state(), torch.get_rng_state(), cuda  # noqa: NPY002


def _put_back(states: tuple[Any, ...]) -> None:
    random.setstate(states[0])
    np.random.set_state(states[1])  # noqa: NPY002
    torch.set_rng_state(states[2])
    if states[3] is not None:
        torch.cuda.set_rng_state_all(states[3])
