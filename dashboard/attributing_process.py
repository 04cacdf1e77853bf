"""The process that computes attributions for the dashboard: torch and captum are its own, and go with it."""

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

COMMAND = (sys.executable, "-P", "-m", "flatline.runs.attribution_worker")
"""-P: nor a user's own random.py."""

GRACE_S = 1.0
"""Seconds after which a process that was told to leave a request, and does not, is ended; ours."""

PATIENCE_S = 5.0
"""Seconds that a process which was told to end has to do so; ours."""


class AttributingProcess:
    """`python -m flatline.runs.attribution_worker`, started when it is needed.

    One thread asks; any may interrupt or close.

    command : another program that answers as it does
    """

    def __init__(self, command: Sequence[str] = COMMAND) -> None:
        self._command = list(command)
        self._child: subprocess.Popen[str] | None = None
        self._guard = threading.Lock()
        self._closed = False

    @property
    def is_there(self) -> bool:
        """Whether it has been started and not ended."""
        child = self._child
        return child is not None and child.poll() is None

    @property
    def pid(self) -> int | None:
        """Its id; None while there is none."""
        child = self._child
        return None if child is None else child.pid

    def send(self, request: dict[str, Any]) -> None:
        """Ask, starting the process where there is none.

        Raises OSError where it cannot be started or asked, RuntimeError after `close`.
        """
        child = self._started()
        if child.stdin is None:  # a pipe
            raise OSError("the process that computes attributions has no stdin")
        child.stdin.write(json.dumps(request) + "\n")
        child.stdin.flush()

    def answer(self) -> dict[str, Any] | None:
        """The next line that it says; None where it ended instead."""
        child = self._child
        if child is None or child.stdout is None:
            return None
        try:
            line = child.stdout.readline()
            return json.loads(line) if line.endswith("\n") else None
        except (OSError, ValueError):
            return None

    def interrupt(self) -> None:
        """Have it leave what it is at, and stay."""
        with suppress(OSError), self._guard:
            if self._child is not None:
                self._child.send_signal(signal.SIGINT)

    def kill(self) -> None:
        """End it at once; whoever waits for its answer sees the end of it."""
        with suppress(OSError), self._guard:
            if self._child is not None:
                self._child.kill()

    def end(self) -> None:
        """End it; the next request starts another."""
        with self._guard:
            child, self._child = self._child, None
        if child is None:
            return
        child.terminate()
        for pipe in (child.stdin, child.stdout):
            if pipe is not None:
                with suppress(OSError):  # of what was still to be written to it
                    pipe.close()
        try:
            child.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()

    def close(self) -> None:
        """End it for good, in the middle of a request too."""
        with self._guard:
            self._closed = True
            child = self._child
        if child is not None:
            child.kill()

    def _started(self) -> "subprocess.Popen[str]":
        """The process as it runs. Ctrl-C is not for it, and it ends once its stdin does: with the server."""
        if not self.is_there:
            self.end()
        with self._guard:
            if self._closed:
                raise RuntimeError("the process that computes attributions is closed")
            if self._child is None:
                self._child = subprocess.Popen(
                    self._command,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                    start_new_session=True,
                )
            return self._child
