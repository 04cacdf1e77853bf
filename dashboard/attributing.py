"""Attributions that pages ask for, computed one at a time by a process that stays warm for the next one."""

import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from .attributing_process import GRACE_S, AttributingProcess

MOST_WAITING = 8
"""Requests that wait, at most; ours: at a second each, one that comes then has its answer in ten."""

MOST_KEPT = 100
"""Outcomes in memory; the oldest goes."""

IDLE_S = 300.0
"""Seconds without a request after which the process is ended, and its memory (some 600 MB) given back; ours."""

IDLE = "idle"

State = Literal["waiting", "running", "done", "failed", "cancelled"]


@dataclass(frozen=True)
class Request:
    """What is asked for. class_name : None is the clip's first label, or else the best-scored class."""

    run: Path
    iteration: int
    clip: str
    class_name: str | None
    methods: tuple[str, ...]
    baseline: str

    def to_json(self) -> dict[str, Any]:
        """As the process takes it."""
        asked = {"run": str(self.run), "iteration": self.iteration, "clip": self.clip, "class": self.class_name}
        return {**asked, "methods": list(self.methods), "baseline": self.baseline}


@dataclass(frozen=True)
class Job:
    """What became of a request so far.

    done, of : methods
    said : why it failed
    class_name : that was meant, once it is known
    refused : by method, why the network does not allow it
    began : when its turn came (monotonic); None before
    seconds : it took, once it is over
    ahead : requests whose turn comes first
    """

    request: Request
    state: State = "waiting"
    done: int = 0
    of: int = 1
    said: str = ""
    class_name: str | None = None
    refused: tuple[tuple[str, str], ...] = ()
    began: float | None = None
    seconds: float = float("nan")
    ahead: int = 0

    @property
    def is_open(self) -> bool:
        """Whether more will come of it."""
        return self.state in ("waiting", "running")


class Desk:
    """The requests of one app; any thread may ask, none waits.

    most_waiting, idle_s : as MOST_WAITING and IDLE_S
    process : that computes; None is a new one
    """

    def __init__(
        self,
        most_waiting: int = MOST_WAITING,
        idle_s: float = IDLE_S,
        process: AttributingProcess | None = None,
    ) -> None:
        self.most_waiting, self.idle_s = most_waiting, idle_s
        self._jobs: OrderedDict[Request, Job] = OrderedDict()
        self._waiting: OrderedDict[Request, None] = OrderedDict()
        self._warm: tuple[Path, int] | None = None
        self._busy: Request | None = None
        self._is_heard, self._is_left = False, False  # of the request under way: by the process; by who asked
        self._asked = 0
        self._closed = False
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._process = process or AttributingProcess()

    def ask(self, request: Request) -> Job:
        """Have it computed, unless that goes on already; where too many wait, a job that failed and says so."""
        with self._changed:
            known = self._jobs.get(request)
            if known is not None and known.is_open:
                return self._with_place(known)
            if len(self._waiting) >= self.most_waiting or self._closed:
                words = (
                    f"{len(self._waiting)} others wait already, which is as many as may; ask again when some are done"
                )
                return self._keep(Job(request, "failed", said=words))
            self._waiting[request] = None
            job = self._keep(Job(request, of=len(request.methods)))
            self._start()
            return self._with_place(job)

    def job(self, request: Request) -> Job | None:
        """What became of a request; None of one that was not asked, or long ago."""
        with self._changed:
            known = self._jobs.get(request)
            return None if known is None else self._with_place(known)

    def cancel(self, request: Request) -> None:
        """Compute it no more: at once, whatever the process is at."""
        with self._changed:
            known = self._jobs.get(request)
            if known is None or not known.is_open:
                return
            self._keep(replace(known, state="cancelled"))
            self._waiting.pop(request, None)
            if request == self._busy and not self._is_left:
                self._is_left = True
                if self._is_heard:
                    self._interrupt()

    def refused(self, run: Path) -> dict[str, str]:
        """By method, why a run's network does not allow it, as far as was found out."""
        with self._changed:
            return {name: why for job in self._jobs.values() if job.request.run == run for name, why in job.refused}

    def warm(self, run: Path, iteration: int) -> None:
        """Load a network while nobody waits yet."""
        with self._changed:
            if self._closed or self._process.is_there or self._warm is not None:
                return
            self._warm = (run, iteration)
            self._start()

    def close(self) -> None:
        """End the worker and its process; nothing is computed any more."""
        with self._changed:
            self._closed = True
            self._waiting.clear()
            self._changed.notify_all()
        self._process.close()
        if self._thread is not None:
            self._thread.join(timeout=5)

    @property
    def pid(self) -> int | None:
        """Id of the process; None while there is none."""
        return self._process.pid

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="flatline attributions", daemon=True)
            self._thread.start()
        self._changed.notify_all()

    def _keep(self, job: Job) -> Job:
        self._jobs[job.request] = job
        self._jobs.move_to_end(job.request)
        over = [request for request, one in self._jobs.items() if not one.is_open]
        for request in over[: max(len(over) - MOST_KEPT, 0)]:
            del self._jobs[request]
        return job

    def _with_place(self, job: Job) -> Job:
        if job.state != "waiting":
            return job
        before = [request for request in self._waiting if request != job.request]
        place = list(self._waiting).index(job.request) if job.request in self._waiting else len(before)
        return replace(job, ahead=place + (self._busy is not None))

    def _work(self) -> None:
        """Answer what is asked until closed; nothing that goes wrong with a request ends it."""
        while (asked := self._next()) is not None:
            if asked == IDLE:
                self._process.end()  # for seconds, perhaps: pages that ask meanwhile do not wait for it
                continue
            request, message = asked
            try:
                self._process.send(message)
                self._listen(request, message["id"])
            except Exception as error:
                self._over(request, "failed", said=str(error) or type(error).__name__)
                self._process.end()
        self._process.end()

    def _next(self) -> tuple[Request | None, dict[str, Any]] | Literal["idle"] | None:
        """The next request, waiting for one; `IDLE` where none came for so long that the process is to end. None once
        closed.
        """
        with self._changed:
            self._busy, self._is_heard, self._is_left = None, False, False
            while not self._closed:
                self._asked += 1
                if self._waiting:
                    self._busy, _ = self._waiting.popitem(last=False)
                    self._keep(replace(self._jobs[self._busy], state="running", began=time.monotonic()))
                    return self._busy, {"id": self._asked, **self._busy.to_json()}
                if self._warm is not None:
                    (run, iteration), self._warm = self._warm, None
                    return None, {"id": self._asked, "run": str(run), "iteration": iteration}
                if not self._changed.wait(timeout=self.idle_s if self._process.is_there else None):
                    return IDLE
        return None

    def _listen(self, request: Request | None, number: int) -> None:
        """Take in what the process says, to the last word on a request."""
        while (said := self._process.answer()) is not None:
            if said.get("id") != number:
                continue
            if "done" in said:
                self._hear()
                self._over(request, "running", done=said["done"], of=said["of"])
                continue
            if "error" in said:
                self._over(request, "failed", said=said["error"])
            elif "cancelled" in said:
                self._over(request, "cancelled")
            else:
                self._over(
                    request, "done", class_name=said.get("class"), refused=tuple(said.get("refused", {}).items())
                )
            return
        self._process.end()
        self._over(
            request,
            "failed",
            said="the process that computes attributions ended (for lack of memory, perhaps); ask again, and see what "
            "`flatline attribute` says",
        )

    def _hear(self) -> None:
        """Note that the process is at a request; it was cancelled before that, perhaps."""
        with self._changed:
            if self._is_heard:
                return
            self._is_heard = True
            if self._is_left:
                self._interrupt()

    def _over(self, request: Request | None, state: State, **more: Any) -> None:
        """Note what became of a request, unless somebody cancelled it meanwhile (and perhaps asked again)."""
        with self._changed:
            known = None if request is None else self._jobs.get(request)
            if known is None or known.state != "running":
                return
            seconds = time.monotonic() - known.began if known.began is not None else float("nan")
            self._keep(replace(known, state=state, seconds=seconds, **more))

    def _interrupt(self) -> None:
        """Have the process leave a request that it has begun; one that is still starting is left to start."""
        self._process.interrupt()
        timer = threading.Timer(GRACE_S, self._kill_if_at, [self._asked])
        timer.daemon = True
        timer.start()

    def _kill_if_at(self, number: int) -> None:
        """End a process that is still at a request which it was told to leave."""
        with self._changed:
            if self._busy is None or self._asked != number:
                return
        self._process.kill()
