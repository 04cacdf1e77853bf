"""The run log's writer: one folder a run (docs/run-log.md says what lies where)."""

import datetime
import fcntl
import json
import os
import platform
import time
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from ..diagnostics.errors import RunError
from ..diagnostics.maps import encode_map
from .columns import Row
from .segments import SegmentWriter

SCHEMA_VERSION = 1

FULL_MAPS = 2000
"""Iterations at either end of a run whose maps are all kept; ours (DESIGN: first and last 2,000)."""

MAPS_PER_DECADE = 100
"""Maps kept per tenfold of iterations in between: each at most 2.3 % later than the one before; ours."""


def keep_maps(iterations: np.ndarray) -> np.ndarray:
    """Which maps stay once they are older than the last 2,000: the first 2,000, then log-spaced ones."""
    later = np.maximum(iterations, 2)
    step = np.floor(MAPS_PER_DECADE * np.log10(later)) != np.floor(MAPS_PER_DECADE * np.log10(later - 1))
    return (iterations < FULL_MAPS) | step


class RunLog:
    """Writes one run's folder; whoever opens it a second time while it is open is refused.

    path : the run's folder, made if it is not there
    info : what run.json says from the start (recipe, classes, parameters, signals ...)
    Raises RunError if another process writes there or the folder cannot be written.
    """

    def __init__(self, path: str | os.PathLike[str], info: dict[str, Any] | None = None) -> None:
        self.path = Path(path)
        self._open_folder()
        self._lock = _lock(self.path)
        self.info: dict[str, Any] = {
            "schema_version": SCHEMA_VERSION,
            "name": self.path.name,
            "status": "running",
            "started": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "process": {"pid": os.getpid(), "host": platform.node()},
            "versions": versions(),
        }
        self.update(**(info or {}))
        tail = self.path / "tail"
        self._iterations = SegmentWriter(self.path / "iterations", tail / "iterations")
        self._maps = SegmentWriter(self.path / "maps" / "mean", tail / "maps", retain_rows=FULL_MAPS, keep=keep_maps)
        self._evaluations = SegmentWriter(self.path / "evaluations", tail / "evaluations", flush_rows=1)
        self._pinned: dict[str, SegmentWriter] = {}

    def append(self, row: Row) -> None:
        """One iteration."""
        self._iterations.append(row)

    def append_maps(self, iteration: int, maps: Mapping[str, np.ndarray], clip: str | None = None) -> None:
        """The maps (frame, class) of one iteration, kept as uint8 scaled per class.

        clip : the pinned clip they are of; None is the mean over the batch
        """
        parts = (
            (f"{name}.{part}", value) for name, values in maps.items() for part, value in encode_map(values).items()
        )
        writer = self._maps if clip is None else self._clip_maps(clip)
        writer.append({"iteration": iteration, **dict(parts)})

    def append_evaluation(self, row: Row) -> None:
        """One evaluation; on disk when this returns."""
        self._evaluations.append(row)

    def event(self, kind: str, iteration: int, **details: Any) -> None:
        """One line of events.jsonl, on disk when this returns."""
        entry = {"kind": kind, "iteration": iteration, "wall_time": time.time(), **details}
        with (self.path / "events.jsonl").open("a", encoding="utf-8") as events:
            events.write(json.dumps(entry) + "\n")

    def update(self, **info: Any) -> None:
        """Change what run.json says; it is replaced whole."""
        self.info.update(info)
        hidden = self.path / ".run.json"
        hidden.write_text(json.dumps(self.info, indent=1, allow_nan=False) + "\n", encoding="utf-8")
        os.replace(hidden, self.path / "run.json")

    def close(self, status: str = "finished") -> None:
        """Seal everything and write the final status: finished, interrupted or failed."""
        if self._lock.closed:
            return
        try:
            for writer in (self._iterations, self._maps, self._evaluations, *self._pinned.values()):
                writer.close()
            self.update(status=status, ended=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"))
        finally:
            self._lock.close()

    def _clip_maps(self, clip: str) -> SegmentWriter:
        if clip not in self._pinned:
            self._pinned[clip] = SegmentWriter(
                self.path / "maps" / clip, self.path / "tail" / f"maps-{clip}", flush_rows=1, seal_rows=200
            )
        return self._pinned[clip]

    def _open_folder(self) -> None:
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RunError(
                f"the run's folder {self.path} cannot be made ({error.strerror}); choose another with log= or --logs"
            ) from error


def _lock(path: Path) -> TextIO:
    """An open file that holds the folder's lock until it is closed or the process dies."""
    try:
        handle = (path / ".lock").open("a+", encoding="utf-8")
    except OSError as error:
        raise RunError(f"{path} cannot be written ({error.strerror}); choose another folder") from error
    for attempt in range(5):  # a reader that asks `is_locked` holds the lock for microseconds
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except OSError:
            if attempt == 4:
                handle.seek(0)
                owner = handle.read().strip() or "another process"
                handle.close()
                raise RunError(
                    f"{path} is being written by {owner}; choose another folder, or stop that process first"
                ) from None
            time.sleep(0.01)
    handle.truncate(0)
    handle.write(f"process {os.getpid()} on {platform.node()}")
    handle.flush()
    return handle


def is_locked(path: Path) -> bool:
    """Whether a living process writes this run."""
    try:
        with (path / ".lock").open(encoding="utf-8") as handle:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False


def free_name(folder: Path, name: str) -> str:
    """`name`, or `name-2`, `name-3` ... : the first that no run in the folder has."""
    taken = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    return next(
        candidate
        for candidate in (name, *(f"{name}-{number}" for number in range(2, len(taken) + 3)))
        if candidate not in taken
    )


def versions() -> dict[str, str]:
    """Versions of what a run's numbers depend on."""
    found = {"python": platform.python_version()}
    for package in ("flatline", "torch", "numpy", "librosa"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
