"""Processes that train arms side by side, a core each."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from queue import SimpleQueue
from typing import Any, Self

Progress = Callable[[str, int], None]
"""Called with an arm's folder and the iteration that it reached."""


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
        self._guard, self._closed = threading.Lock(), False

    def answer(self, job: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
        child = self._started()
        if child is None:
            return {"error": "it was ended before it began"}
        with suppress(OSError):  # it died: its output ends, below
            child.stdin.write(json.dumps(job) + "\n")  # type: ignore[union-attr]
            child.stdin.flush()  # type: ignore[union-attr]
        for line in child.stdout or ():
            said = json.loads(line)
            if "at" not in said:
                return said
            progress(job["path"], said["at"])
        code, self._child = child.wait(), None
        return {"error": f"its process ended with exit code {code} (for lack of memory, perhaps: fewer --jobs)"}

    def end(self) -> None:
        with self._guard:
            self._closed, child = True, self._child
        if child is None:
            return
        child.terminate()  # taken as Ctrl-C
        if child.stdin is not None:
            with suppress(OSError):
                child.stdin.close()
        child.wait()

    def _started(self) -> "subprocess.Popen[str] | None":
        """The process; None once it was told to end, which may be before its first job."""
        with self._guard:
            if not self._closed and (self._child is None or self._child.poll() is not None):
                self._child = subprocess.Popen(
                    [sys.executable, "-P", "-m", "flatline.runs.revive.worker"],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                    start_new_session=True,
                    env={"OMP_NUM_THREADS": str(self._threads), **os.environ},
                )
            return None if self._closed else self._child
