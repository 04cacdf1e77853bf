"""The run log's writer: one folder a run (docs/run-log.md says what lies where)."""

import os
import platform
from collections.abc import Callable, Mapping
from contextlib import ExitStack, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ..diagnostics.errors import RunError
from . import pyramid
from .columns import Row
from .event_log import EventLog
from .gap import Gap
from .jsons import sync_folder, write_json
from .locking import FolderLock
from .map_log import MAP_BYTES, MapLog
from .mirror import Mirror
from .outage import Outage, advice, reason
from .places import absolute, is_remote, place
from .run_folder import SCHEMA_VERSION, claim, make_folder, now, read_info, versions
from .store import StoreError
from .store_lock import is_locked
from .writer import SegmentWriter

__all__ = ["SCHEMA_VERSION", "RunLog", "claim", "is_locked", "read_info", "seal_left", "versions"]

SEALED_SHARE = 0.05
"""Of a long run, sealed at a time, so that the number of segments grows with the logarithm of its length; ours."""


class RunLog:
    """Writes one run's folder; whoever opens it a second time while it is open is refused.

    Once it is open, a disk that is full or cannot be written raises nothing: the recording stops, that is said once,
    rows wait in memory as far as they fit, and writing is tried again every few seconds (docs/run-log.md).

    path : the run's folder, made if it is not there, or an address in a store (`s3://bucket/logs/mine`)
    info : what run.json says from the start (recipe, classes, parameters, signals ...)
    resume : go on with the run that stands there: what its last writer left unsealed is sealed, and run.json keeps what
        `info` does not change. Without it a folder that holds anything is refused
    map_bytes : what the maps may take
    fsync : whether a flush waits until the disk has it, so that it survives a power cut too; None is whether the
        environment variable FLATLINE_FSYNC is set to other than 0
    Raises RunError if another process writes there, if the folder cannot be written, or holds something else.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        info: dict[str, Any] | None = None,
        *,
        resume: bool = False,
        map_bytes: int = MAP_BYTES,
        fsync: bool | None = None,
    ) -> None:
        self.path = absolute(place(path))  # a loop may change the working directory
        self.fsync = os.environ.get("FLATLINE_FSYNC", "0") not in ("", "0") if fsync is None else fsync
        self._mirror = Mirror(self.path, resume=resume) if is_remote(self.path) else None
        self._guard = nullcontext() if self._mirror is None else self._mirror.guard
        self.folder = self.path if self._mirror is None else self._mirror.folder
        self._missing: dict[str, Gap] = {}
        with ExitStack() as stack:
            if self._mirror is not None:
                stack.callback(self._mirror.release)
            make_folder(self.folder, resume)
            self._lock = FolderLock(self.folder)
            self._outage = Outage(self.folder, self._write_waiting)
            stack.callback(self._lock.close)
            if not resume and (self.folder / "run.json").exists():
                raise RunError(f"{self.folder} holds a run already; choose another name, or resume that one")
            self.info = self._first_info(resume) | (info or {})
            try:
                self._open(map_bytes)
            except StoreError:
                raise
            except OSError as error:
                raise RunError(
                    f"{self.path} cannot be written ({reason(error)}); {advice(error)}, or choose another folder"
                ) from error
            stack.pop_all()

    @property
    def stopped(self) -> str:
        """Why nothing can be written just now; empty while all is well."""
        if self._mirror is not None and self._mirror.fault is not None:
            return reason(self._mirror.fault)
        return self._outage.why

    @property
    def stored(self) -> int:
        """The newest iteration that survives this process, and of a run in a store this machine; -1 for none."""
        return self._iterations.written if self._mirror is None else self._mirror.stored

    def append(self, row: Row) -> None:
        """One iteration.

        Raises RunError for one that does not come after the last, and after `close`.
        """
        self._refuse_closed()
        self._iterations.hold(row)
        if self._iterations.due:
            self._attempt(self._iterations.flush)

    def append_maps(self, iteration: int, maps: Mapping[str, np.ndarray], clip: str | None = None) -> None:
        """The maps (frame, class) of one iteration, kept as uint8 scaled per class.

        clip : the pinned clip they are of; None is the mean over the batch
        """
        self._refuse_closed()
        known = self._map_facts()
        self._maps.hold(iteration, maps, clip)
        self._attempt(self._maps.flush_due)
        if (facts := self._map_facts()) != known:
            self.update(**facts)

    def append_evaluation(self, row: Row) -> None:
        """One evaluation; it and the iterations before it are on disk when this returns."""
        self._refuse_closed()
        self._evaluations.hold(row)
        self._attempt(self._flush_tables)

    def event(self, kind: str, iteration: int, **details: Any) -> None:
        """One line of events.jsonl, with the operating system when this returns."""
        self._refuse_closed()
        self._events.hold(kind, iteration, **details)
        self._attempt(self._events.flush)

    def update(self, **info: Any) -> None:
        """Change what run.json says; it is replaced whole."""
        self._refuse_closed()
        self.info.update(info)
        self._attempt(self._write_info)

    def flush(self, *, wait: bool = True) -> None:
        """Write every row that was appended; from here on they survive the process.

        wait : of a run in a store, until it has them, so that they survive the machine too
        """
        self._attempt(self._flush_tables)
        if wait and self._mirror is not None:
            self._mirror.flush()
            self._mirror.tell()

    def close(self, status: str = "finished") -> None:
        """Seal everything and write the final status: finished, interrupted or failed. A second call does nothing.

        Each part is closed, and the folder let go, even if another part cannot be written; that is said.
        """
        if self._lock.closed:
            return
        faults: list[OSError] = []
        parts = [*(writer.close for writer in self._tables().values()), self._close_events]
        with ExitStack() as stack:  # the last pushed is done first
            if self._mirror is not None:
                stack.callback(self._mirror.finish)
            stack.callback(self._lock.close)
            stack.enter_context(self._guard)
            stack.callback(self._tell_unfinished, faults)
            self._outage.retry()
            _caught(self._lock.check, faults)
            if not faults:
                for part in (partial(self._close_info, status), *reversed(parts)):
                    stack.callback(_caught, part, faults)

    def _attempt(self, write: Callable[[], object]) -> None:
        with self._guard:
            self._outage.attempt(write)
        if self._mirror is not None:
            self._mirror.tell()

    def _open(self, map_bytes: int) -> None:
        if self.fsync:
            sync_folder(self.folder.parent)
        self._write_info()
        self._events = EventLog(self.folder / "events.jsonl", fsync=self.fsync)
        tail = self.folder / "tail"
        self._iterations = SegmentWriter(
            self.folder / "iterations",
            tail / "iterations",
            seal_share=SEALED_SHARE,
            fsync=self.fsync,
            on_seal=partial(pyramid.write, self.folder / "pyramid"),
        )
        self._evaluations = SegmentWriter(
            self.folder / "evaluations", tail / "evaluations", flush_rows=1, repeats=True, fsync=self.fsync
        )
        left_before = self.info.get("maps_left_out") or {}
        self._maps = MapLog(self.folder, self._n_pinned, map_bytes, self.fsync, left_before)
        if self._mirror is not None:
            self._mirror.start()

    def _n_pinned(self) -> int:
        return len(self.info.get("clips") or ())

    def _tables(self) -> dict[str, SegmentWriter]:
        maps = {f"maps/{folder}": writer for folder, writer in self._maps.writers.items()}
        return {"iterations": self._iterations, "evaluations": self._evaluations, **maps}

    def _flush_tables(self) -> None:
        for writer in self._tables().values():  # maps too: a checkpoint stands for all that came before it
            writer.flush()

    def _write_info(self) -> None:
        write_json(self.folder / "run.json", self.info, fsync=self.fsync)

    def _write_waiting(self) -> str:
        """After an outage: everything that waits, each part whatever becomes of the others; what is missing, in words.

        Raises the first OSError.
        """
        self._lock.check()
        faults: list[OSError] = []
        for writer in self._tables().values():
            _caught(writer.forget_gone, faults)
            _caught(writer.flush, faults)
        if faults:
            raise faults[0]
        self._note_gaps()
        self._events.flush()
        self._write_info()
        missing, self._missing = self._missing, {}
        return "; ".join(f"{gap.rows:,} rows of {name} from {gap.first:,} are missing" for name, gap in missing.items())

    def _note_gaps(self) -> None:
        """Make an event of what each table dropped, and keep it for the message."""
        for name, writer in self._tables().items():
            if (gap := writer.gap) is not None:
                why = self._outage.why or "the disk could not be written"
                self._events.hold("gap", gap.first, rows=gap.rows, last=gap.last, table=name, why=why)
                self._missing[name] = gap.joined(self._missing.get(name))
                writer.gap = None

    def _close_events(self) -> None:
        for writer in self._tables().values():
            writer.give_up()
        self._note_gaps()
        self._events.flush()

    def _close_info(self, status: str) -> None:
        self.info.update(self._map_facts(), status=status, ended=now())
        self._write_info()

    def _tell_unfinished(self, faults: list[OSError]) -> None:
        if faults:
            waiting = {name: writer.waiting for name, writer in self._tables().items()}
            lost = waiting | {name: gap.rows + waiting.get(name, 0) for name, gap in self._missing.items()}
            self._outage.unfinished(faults[0], lost)

    def _map_facts(self) -> dict[str, Any]:
        """What was kept of the maps, and how many were left out."""
        rules = {
            folder: {"first": rule.full, "newest": rule.full, "between_per_decade": rule.per_decade}
            for folder, rule in self._maps.rules.items()
        }
        return {"maps_kept": rules, "maps_left_out": self._maps.left_out} if rules else {}

    def _first_info(self, resume: bool) -> dict[str, Any]:
        before = read_info(self.folder) if resume and (self.folder / "run.json").is_file() else {"started": now()}
        before.pop("ended", None)
        return {
            **before,
            "schema_version": SCHEMA_VERSION,
            "name": self.path.name,
            "status": "running",
            "process": {"pid": os.getpid(), "host": platform.node()},
            "versions": versions(),
        }

    def _refuse_closed(self) -> None:
        if self._lock.closed:
            raise RunError(f"the log {self.path} is closed; record before closing it, or in a new run")


def _caught(part: Callable[[], object], faults: list[OSError]) -> None:
    try:
        part()
    except OSError as error:
        faults.append(error)


def seal_left(path: Path) -> None:
    """Seal what a killed writer left in the tail; for the holder of the folder's lock."""
    for kind in ("iterations", "evaluations"):
        SegmentWriter(path / kind, path / "tail" / kind, seal_share=SEALED_SHARE)
    MapLog(path, lambda: 0)
