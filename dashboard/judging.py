"""Verdicts of many runs without waiting for any: those kept beside the runs, the others from a process of their own.

Judging a run of 100,000 iterations takes half a gigabyte; the process that did it ends when nothing is left to judge.
"""

import json
import logging
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..runs.places import is_remote, place
from ..runs.store_lock import is_locked
from ..runs.summary import lines, stored_summary, summary_mark
from .judging_process import JudgingProcess

LOGGER = logging.getLogger(__name__)

LEAST_PAUSE_S = 5.0
"""Seconds after which a run that is still written is judged again, at the earliest; ours."""

STORE_PAUSE_S = 30.0
"""The same for a run in a store, where each look is a request; ours."""

FAILED_PAUSE_S = 60.0
"""The same for a run that could not be judged, for lack of memory perhaps; ours."""

PAUSE_FACTOR = 20.0
"""Times what judging took that a run under way is left alone: a twentieth of one core at most; ours."""

IDLE_S = 5.0
"""Seconds without a run to judge after which the process is ended, and its memory given back; ours."""

MOST_KEPT = 2_000
"""Verdicts in memory, some 6 kB each; the longest unused goes, and is read or judged again."""

ROW_KEYS = ("verdict", "cause", "iterations")


@dataclass(frozen=True)
class _Known:
    """What judging a run came to. seconds : it took; at : when it was done (monotonic); failed : it could
    not be judged.
    """

    mark: str
    text: str
    seconds: float
    at: float
    failed: bool = False


class Judge:
    """The verdicts of one app's runs; any thread may ask, none waits.

    logs : the folder of runs, against which a name is read
    """

    def __init__(self, logs: Path) -> None:
        self.logs = place(logs)
        self._known: OrderedDict[Path, _Known] = OrderedDict()
        self._rows: dict[Path, tuple[str, dict[str, Any]]] = {}
        self._wanted: dict[bool, OrderedDict[Path, None]] = {True: OrderedDict(), False: OrderedDict()}
        self._version = 0
        self._closed = False
        self._busy: Path | None = None
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._process = JudgingProcess()

    def summary(self, path: str | Path, *, urgent: bool = True) -> dict[str, Any] | None:
        """What `runs.summary.summarise` says of a run, or None until it has been judged, which this asks for.

        Of a run that goes on, the newest there is, while it is judged again; `is_current` says whether that is of all
        that was recorded. A run that cannot be judged has `{"error": why}`.

        urgent : somebody looks at this very run: it comes before those that were asked for in bulk
        """
        run = self._place(path)
        mark = "" if is_remote(run) else summary_mark(run)
        with self._changed:
            known = self._known.get(run)
            if known is not None:
                self._known.move_to_end(run)
        is_new = known is None or (known.mark != mark and not is_remote(run))
        if is_new and (stored := stored_summary(run)) is not None:
            return {**stored, "is_current": True}
        if known is None or self._is_due(run, known, mark):
            self._ask(run, urgent=urgent)
        if known is None:
            return None
        return {**json.loads(known.text), "is_current": is_remote(run) or known.mark == mark}

    def row(self, path: str | Path) -> dict[str, Any] | None:
        """What a table of runs shows: `verdict`, `cause`, `iterations`, `since` (onset of the cause) and `gradient`.

        None until it has been judged, `{"error": why}` for a run that cannot be. Asked for in bulk (see `summary`).
        """
        run = self._place(path)
        mark = None if is_remote(run) else summary_mark(run)
        with self._changed:
            row = self._rows.get(run)
        if row is not None and row[0] == mark:
            return row[1]
        summary = self.summary(run, urgent=False)
        if summary is None:
            return None
        found = _row(summary)
        if mark is not None and summary["is_current"]:
            with self._changed:
                self._rows[run] = (mark, found)
        return found

    def version(self) -> int:
        """A number that rises with each run that was judged."""
        return self._version

    def waiting(self) -> int:
        """Runs that are yet to be judged, the one under way included."""
        with self._changed:
            return len(self._wanted[True].keys() | self._wanted[False].keys()) + (self._busy is not None)

    def close(self) -> None:
        """End the worker and its process; nothing is judged any more."""
        with self._changed:
            self._closed = True
            for queue in self._wanted.values():
                queue.clear()
            self._changed.notify_all()
        self._process.close()
        if self._thread is not None:
            self._thread.join(timeout=5)

    def _place(self, path: str | Path) -> Path:
        return self.logs / path if isinstance(path, str) and "/" not in path else place(path)

    def _is_due(self, run: Path, known: _Known, mark: str) -> bool:
        """Whether a run that was judged is to be judged again: something is new, and it was left alone long enough."""
        if is_remote(run):
            pause = max(STORE_PAUSE_S, PAUSE_FACTOR * known.seconds)
        elif known.mark == mark and not known.failed:
            return False
        elif known.failed:
            pause = FAILED_PAUSE_S
        elif is_locked(run):
            pause = max(LEAST_PAUSE_S, PAUSE_FACTOR * known.seconds)
        else:
            return True
        return time.monotonic() - known.at >= pause

    def _ask(self, run: Path, *, urgent: bool) -> None:
        with self._changed:
            if self._closed or run == self._busy:
                return
            if urgent:
                self._wanted[False].pop(run, None)
            if urgent or run not in self._wanted[True]:
                self._wanted[urgent][run] = None
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="flatline judge", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def _work(self) -> None:
        """Judge what is wanted until closed; nothing that goes wrong with a run ends it."""
        while (run := self._next()) is not None:
            mark, begun = "", time.monotonic()
            try:
                mark = "" if is_remote(run) else summary_mark(run)
                text = next(iter(lines([str(run)]))) if is_remote(run) else self._process.line(str(run))
            except Exception as error:
                if self._closed:
                    break
                LOGGER.exception("%s cannot be judged", run)
                text = json.dumps({"error": str(error) or type(error).__name__})
            self._keep(run, mark, text, time.monotonic() - begun)
        self._process.end()
        with self._changed:
            self._busy = None

    def _next(self) -> Path | None:
        """The run that is wanted most, waiting for one; the process is ended while there is none. None once closed."""
        with self._changed:
            self._busy = None
            while not self._closed:
                for queue in (self._wanted[True], self._wanted[False]):
                    if queue:
                        self._busy, _ = queue.popitem(last=False)
                        return self._busy
                if not self._changed.wait(timeout=IDLE_S if self._process.is_there else None):
                    self._process.end()
        return None

    def _keep(self, run: Path, mark: str, text: str, seconds: float) -> None:
        """Keep what judging came to; of its `seconds` those of the judging itself count, not the start of a process."""
        said = json.loads(text)
        known = _Known(
            said.get("mark") or mark, text, said.get("seconds", seconds), time.monotonic(), failed="error" in said
        )
        with self._changed:
            self._known[run] = known
            self._known.move_to_end(run)
            while len(self._known) > MOST_KEPT:
                self._known.popitem(last=False)
            self._busy = None
            self._version += 1


def _row(summary: dict[str, Any]) -> dict[str, Any]:
    if "error" in summary:
        return {"error": summary["error"]}
    diagnosis = summary["diagnosis"]
    since = diagnosis["findings"][0]["onset"] if diagnosis["cause"] is not None else None
    return {**{key: diagnosis[key] for key in ROW_KEYS}, "since": since, "gradient": summary["gradient"]}
