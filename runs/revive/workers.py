"""Processes that train arms side by side, a core each."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from queue import SimpleQueue
from typing import Any, Self

from ...diagnostics.errors import FlatlineError

Progress = Callable[[str, int], None]
"""Called with an arm's folder and the iteration that it reached."""


class ArmError(FlatlineError):
    """An arm whose process died: no fault of what the user gave."""

    exit_code = 1


class Workers:
    """As many `runs.revive.worker` processes as are asked for, started when there is work, warm for the next.

    Ctrl-C is not for them: whoever has them ends them, and they close their logs in order.

    n : processes, each with a share of the cores
    threads : of a process, unless OMP_NUM_THREADS says how many
    """

    def __init__(self, n: int, threads: int) -> None:
        self.n, self.threads = n, threads
        self._free: SimpleQueue[_Worker] = SimpleQueue()
        self._all = [_Worker(threads) for _ in range(n)]
        for worker in self._all:
            self._free.put(worker)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def run(self, jobs: Sequence[Mapping[str, Any]], progress: Progress) -> list[dict[str, Any]]:
        """The last line that each job's process says, in the order of the jobs; a fault is an `error` in it.

        Ctrl-C ends the jobs in order and is raised once they have ended.
        """

        def one(job: Mapping[str, Any]) -> dict[str, Any]:
            worker = self._free.get()
            try:
                return worker.answer(job, progress)
            finally:
                self._free.put(worker)

        with ThreadPoolExecutor(self.n) as pool:
            futures = [pool.submit(one, job) for job in jobs]
            try:
                for future in as_completed(futures):
                    future.result()
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                self.close()
                raise
        return [future.result() for future in futures]

    def close(self) -> None:
        """End them; one that trains writes a checkpoint first."""
        for worker in self._all:
            worker.end()


class _Worker:
    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._child: subprocess.Popen[str] | None = None

    def answer(self, job: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
        child = self._started()
        with suppress(OSError):  # it died: its output ends, below
            child.stdin.write(json.dumps(job) + "\n")  # type: ignore[union-attr]
            child.stdin.flush()  # type: ignore[union-attr]
        for line in child.stdout or ():
            said = json.loads(line)
            if "at" not in said:
                return said
            progress(job["path"], said["at"])
        code, self._child = child.wait(), None
        raise ArmError(f"the process that trained {job['path']} ended with exit code {code}; try it with fewer --jobs")

    def end(self) -> None:
        child = self._child
        if child is None:
            return
        child.terminate()  # taken as Ctrl-C
        if child.stdin is not None:
            with suppress(OSError):
                child.stdin.close()
        child.wait()

    def _started(self) -> "subprocess.Popen[str]":
        if self._child is None or self._child.poll() is not None:
            self._child = subprocess.Popen(
                [sys.executable, "-P", "-m", "flatline.runs.revive.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                start_new_session=True,
                env={"OMP_NUM_THREADS": str(self._threads), **os.environ},
            )
        return self._child
