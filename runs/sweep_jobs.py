"""Trainings in processes of their own, as many at a time as asked for."""

import os
import signal
import subprocess
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType
from typing import IO

from .interruption import STOPPING


@contextmanager
def terminated_in_order() -> Iterator[None]:
    """A context in which SIGTERM is what Ctrl-C is: KeyboardInterrupt, so that the processes are ended in order."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    try:
        before = signal.signal(signal.SIGTERM, interrupt)
    except ValueError:  # not the main thread
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


LOOK_S = 0.1
"""Seconds between two looks at the processes."""


@dataclass(frozen=True)
class Job:
    """A run's command; its last line of stderr is what is told where it fails."""

    name: str
    command: tuple[str, ...]
    environment: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Ended:
    """How a job's process ended: its exit code, and the last thing it said."""

    code: int
    said: str

    @property
    def failed(self) -> bool:
        """Whether there may be no run."""
        return self.code != 0


Started = Callable[[str], None]
Told = Callable[[str, Ended], None]


class Process:
    """A job that runs. Its signals are its starter's to send: a terminal's Ctrl-C does not reach it."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self._said: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  (read when the process has ended)
        before = signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING)  # Ray blocks SIGINT, which a child inherits
        try:
            self._process = subprocess.Popen(
                job.command,
                env={**os.environ, **job.environment},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self._said,
                process_group=0,
            )
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def ended(self) -> Ended | None:
        """How it ended; None while it runs."""
        code = self._process.poll()
        return None if code is None else self._end(code)

    def ask(self) -> None:
        """Ask it to end in order: its log closed, a checkpoint written."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)

    def wait(self) -> Ended:
        """Wait for its end."""
        return self._end(self._process.wait())

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()
        self._process.wait()

    def _end(self, code: int) -> Ended:
        self._said.seek(0)
        lines = self._said.read().decode(errors="replace").strip().splitlines() or ["it said nothing"]
        return Ended(code, lines[-1].removeprefix("flatline: "))


def run_jobs(jobs: Sequence[Job], at_once: int, told: Told, started: Started = lambda name: None) -> dict[str, Ended]:
    """Run every job, at most so many at a time; a job that fails does not keep the others from running.

    told, started : called in this thread with a job's name as it ends and starts
    Returns how each ended, by name.
    Raises KeyboardInterrupt once those that run have ended in order; a second one ends them at once.
    """
    waiting, running, ended = deque(jobs), list[Process](), dict[str, Ended]()
    try:
        while waiting or running:
            while waiting and len(running) < at_once:
                started(waiting[0].name)
                running.append(Process(waiting.popleft()))
            for process in list(running):
                if (end := process.ended()) is not None:
                    running.remove(process)
                    ended[process.job.name] = end
                    told(process.job.name, end)
            time.sleep(LOOK_S)
    except BaseException:
        _end_all(running)
        raise
    return ended


def _end_all(running: Sequence[Process]) -> None:
    try:
        for process in running:  # all at once, rather than each when the one before has ended
            process.ask()
        for process in running:
            process.wait()
    except KeyboardInterrupt:
        for process in running:
            process.kill()
