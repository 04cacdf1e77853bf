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
        child = self._started()
        if not _ask(child, path):  # it was gone already, over nothing that this run did
            self.end()
            child = self._started()
            _ask(child, path)
        said = child.stdout.readline() if child.stdout is not None else ""
        if not said.endswith("\n") or json.loads(said).get("path") != path:
            self.end()
            raise RuntimeError(
                f"the process that judges runs ended over {path} (for lack of memory, perhaps); "
                f"`flatline diagnose {path}` says more"
            )
        return said

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

    def _started(self) -> subprocess.Popen[str]:
        """The process as it runs; Ctrl-C is not for it, and it ends once its stdin does: with the server."""
        with self._guard:
            if self._closed:
                raise RuntimeError("the process that judges runs is closed")
            if self._child is None or self._child.poll() is not None:
                self._child = subprocess.Popen(
                    [sys.executable, "-m", "flatline.runs.summary", "-"],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                    start_new_session=True,
                )
            return self._child


def _ask(child: "subprocess.Popen[str]", path: str) -> bool:
    """Name a run to the process; whether it was there to hear."""
    try:
        if child.stdin is not None:
            child.stdin.write(json.dumps(path) + "\n")
            child.stdin.flush()
    except OSError:
        return False
    return True
