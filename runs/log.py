"""The run log's writer: one folder a run (docs/run-log.md says what lies where)."""

import datetime
import itertools
import json
import os
import platform
import time
from collections.abc import Mapping
from contextlib import ExitStack
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from ..diagnostics.errors import RunError
from .columns import Row
from .jsons import to_json, write_json
from .locking import FolderLock, is_locked
from .map_log import MAP_BYTES, MapLog
from .writer import SegmentWriter

__all__ = ["SCHEMA_VERSION", "RunLog", "claim", "is_locked", "read_info", "seal_left", "versions"]

SCHEMA_VERSION = 1

SEALED_SHARE = 0.05
"""Of a long run, sealed at a time, so that the number of segments grows with the logarithm of its length; ours."""


class RunLog:
    """Writes one run's folder; whoever opens it a second time while it is open is refused.

    path : the run's folder, made if it is not there
    info : what run.json says from the start (recipe, classes, parameters, signals ...)
    resume : go on with the run that stands there: what its last writer left unsealed is sealed, and run.json keeps what
        `info` does not change. Without it a folder that holds anything is refused
    map_bytes : what the maps may take
    Raises RunError if another process writes there, if the folder cannot be written, or holds something else.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        info: dict[str, Any] | None = None,
        *,
        resume: bool = False,
        map_bytes: int = MAP_BYTES,
    ) -> None:
        self.path = Path(path)
        _make_folder(self.path, resume)
        self._lock = FolderLock(self.path)
        with ExitStack() as stack:
            stack.callback(self._lock.close)
            if not resume and (self.path / "run.json").exists():
                raise RunError(f"{self.path} holds a run already; choose another name, or resume that one")
            self.info = self._first_info(resume)
            self.update(**(info or {}))
            _end_line(self.path / "events.jsonl")
            tail = self.path / "tail"
            self._iterations = SegmentWriter(self.path / "iterations", tail / "iterations", seal_share=SEALED_SHARE)
            self._evaluations = SegmentWriter(
                self.path / "evaluations", tail / "evaluations", flush_rows=1, repeats=True
            )
            self._maps = MapLog(self.path, lambda: len(self.info.get("clips") or ()), map_bytes)
            stack.pop_all()

    def append(self, row: Row) -> None:
        """One iteration.

        Raises RunError for one that does not come after the last, and after `close`.
        """
        self._refuse_closed()
        self._iterations.append(row)

    def append_maps(self, iteration: int, maps: Mapping[str, np.ndarray], clip: str | None = None) -> None:
        """The maps (frame, class) of one iteration, kept as uint8 scaled per class.

        clip : the pinned clip they are of; None is the mean over the batch
        """
        self._refuse_closed()
        known = len(self._maps.rules)
        thinned = self._maps.append(iteration, maps, clip)
        if thinned or len(self._maps.rules) > known:
            self.update(**self._map_facts())

    def append_evaluation(self, row: Row) -> None:
        """One evaluation; it and the iterations before it are on disk when this returns."""
        self._refuse_closed()
        self._iterations.flush()
        self._evaluations.append(row)

    def event(self, kind: str, iteration: int, **details: Any) -> None:
        """One line of events.jsonl, with the operating system when this returns."""
        self._refuse_closed()
        entry = {"kind": kind, "iteration": iteration, "wall_time": time.time(), **details}
        with (self.path / "events.jsonl").open("ab") as events:
            events.write(to_json(entry).encode() + b"\n")

    def update(self, **info: Any) -> None:
        """Change what run.json says; it is replaced whole."""
        self._refuse_closed()
        self.info.update(info)
        write_json(self.path / "run.json", self.info)

    def flush(self) -> None:
        """Write every row that was appended; from here on they survive the process."""
        for writer in (self._iterations, self._evaluations):
            writer.flush()

    def close(self, status: str = "finished") -> None:
        """Seal everything and write the final status: finished, interrupted or failed. A second call does nothing.

        Each part is closed, and the folder let go, even if another part cannot be written; the error is raised then.
        """
        if self._lock.closed:
            return
        with ExitStack() as stack:
            stack.callback(self._lock.close)
            stack.callback(self._close_info, status)
            for writer in (self._evaluations, self._maps, self._iterations):
                stack.callback(writer.close)

    def _close_info(self, status: str) -> None:
        self.update(**self._map_facts(), status=status, ended=_now())

    def _map_facts(self) -> dict[str, Any]:
        """What was kept of the maps, and how many were left out."""
        rules = {
            folder: {"first": rule.full, "newest": rule.full, "between_per_decade": rule.per_decade}
            for folder, rule in self._maps.rules.items()
        }
        return {"maps_kept": rules, "maps_left_out": self._maps.left_out} if rules else {}

    def _first_info(self, resume: bool) -> dict[str, Any]:
        before = read_info(self.path) if resume and (self.path / "run.json").is_file() else {"started": _now()}
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


def seal_left(path: Path) -> None:
    """Seal what a killed writer left in the tail; for the holder of the folder's lock."""
    for kind in ("iterations", "evaluations"):
        SegmentWriter(path / kind, path / "tail" / kind)
    MapLog(path, lambda: 0)


def read_info(path: Path) -> dict[str, Any]:
    """What a run's run.json says.

    Raises RunError if it cannot be read, or a newer Flatline wrote it.
    """
    file = path / "run.json"
    try:
        info = json.loads(file.read_text(encoding="utf-8"))
        schema = int(info.get("schema_version", 0))
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise RunError(
            f"{file} cannot be read ({error}); the run's tables may still be whole, in {path / 'iterations'}"
        ) from error
    if schema > SCHEMA_VERSION:
        raise RunError(
            f"{path} has schema version {schema}, this Flatline reads up to {SCHEMA_VERSION}; upgrade flatline"
        )
    return info


def claim(logs: Path, name: str, *, numbered: bool) -> Path:
    """Make a run's folder under `logs`, so that no other process can have the same.

    numbered : where `name` is taken, take `name-2`, `name-3` ... instead of refusing
    Raises RunError for a name that is no plain folder name, or is taken, or where the folder cannot be made.
    """
    if name.startswith(".") or Path(name).name != name or not name:
        raise RunError(
            f"{name!r} is no name for a run's folder; give one without / and without a dot in front, "
            "which would hide it (a folder of runs is --logs)"
        )
    later = (f"{name}-{number}" for number in itertools.count(2)) if numbered else ()
    for candidate in itertools.chain([name], later):
        try:
            (logs / candidate).mkdir(parents=True)
        except FileExistsError:
            continue
        except OSError as error:
            raise RunError(
                f"{logs / candidate} cannot be made ({error.strerror}); choose another with --logs"
            ) from None
        return logs / candidate
    raise RunError(f"{logs / name} is there already (--name {name}); choose another name, or leave it out")


def versions() -> dict[str, str]:
    """Versions of what a run's numbers depend on."""
    found = {"python": platform.python_version()}
    for package in ("flatline", "torch", "numpy", "librosa"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def _make_folder(path: Path, resume: bool) -> None:
    """Make the folder; one that holds something else is refused, what a writer leaves that died at once is not."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        names = {entry.name for entry in path.iterdir() if not entry.name.startswith(".")}
    except OSError as error:
        raise RunError(
            f"the run's folder {path} cannot be made ({error.strerror}); choose another with log= or --logs"
        ) from error
    if names and "run.json" not in names and not resume:
        raise RunError(f"{path} is there and is no run log; choose another folder")


def _end_line(path: Path) -> None:
    """End a line that a killed writer left open, so that the next event does not stand in it."""
    if path.is_file() and (content := path.read_bytes()) and not content.endswith(b"\n"):
        with path.open("ab") as file:
            file.write(b"\n")
