"""The process that judges runs for the dashboard, so that their memory is its own and goes with it."""

import json
import subprocess
import sys
import threading
from contextlib import suppress

PATIENCE_S = 5.0
"""Seconds that a process which was told to end has to do so; ours."""


class JudgingProcess:
    """`python -m flatline.runs.summary -`, started when it is needed. One thread asks; any may close it."""

    def __init__(self) -> None:
        self._child: subprocess.Popen[str] | None = None
        self._guard = threading.Lock()
        self._closed = False

    @property
    def is_there(self) -> bool:
        """Whether it has been started and not ended."""
        return self._child is not None

    @property
    def pid(self) -> int | None:
        """Its id; None while there is none."""
        child = self._child
        return None if child is None else child.pid

    def line(self, path: str) -> str:
        """The line of JSON that it says of a run.

        Raises RuntimeError where it ended over that run, or after `close`; OSError where it cannot be started.
        """
        is_new = False
        while not is_new:  # one that had judged others may have been gone before it came to this run
            child, is_new = self._started()
            said = _answer(child, path)
            if said.endswith("\n") and json.loads(said).get("path") == path:
                return said
            self.end()
        raise RuntimeError(
            f"the process that judges runs ended over {path} (for lack of memory, perhaps); "
            f"`flatline diagnose {path}` says more"
        )

    def end(self) -> None:
        """End it; the next line starts another."""
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
        """End it for good, in the middle of a run too."""
        with self._guard:
            self._closed = True
            child = self._child
        if child is not None:
            child.terminate()  # whoever waits for its line sees the end of it, and cleans up

    def _started(self) -> "tuple[subprocess.Popen[str], bool]":
        """The process as it runs, and whether it was started for this.

        Ctrl-C is not for it, and it ends once its stdin does: with the server.
        """
        with self._guard:
            if self._closed:
                raise RuntimeError("the process that judges runs is closed")
            is_new = self._child is None or self._child.poll() is not None
            if self._child is None or is_new:
                self._child = subprocess.Popen(
                    [sys.executable, "-P", "-m", "flatline.runs.summary", "-"],  # -P: nor a user's own random.py
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                    start_new_session=True,
                )
            return self._child, is_new


def _answer(child: "subprocess.Popen[str]", path: str) -> str:
    """Name a run to the process and wait for its line; cut short, or empty, where the process ended."""
    if child.stdin is None or child.stdout is None:  # both are pipes
        return ""
    try:
        child.stdin.write(json.dumps(path) + "\n")
        child.stdin.flush()
        return child.stdout.readline()
    except OSError:
        return ""
