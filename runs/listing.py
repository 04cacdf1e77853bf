"""All runs of a folder as one table, from little more than their run.json."""

import datetime
import hashlib
import logging
import math
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd

from ..diagnostics.errors import FlatlineError
from .places import is_remote, place
from .remote_path import mark_of
from .revive.telling import parent_of
from .run import Run
from .scores import scores_of_run
from .store import StoreError
from .store_lock import is_locked

LOGGER = logging.getLogger(__name__)

T = TypeVar("T")

AT_ONCE = 16
"""Runs of a store that are looked at together; ours."""

UNREADABLE = "unreadable"

COLUMNS = {
    "name": "string",
    "status": "string",
    "reason": "string",
    "architecture": "string",
    "head": "string",
    "loss_kind": "string",
    "seed": "UInt64",
    "iterations": "Int64",
    "planned": "Int64",
    "lwlrap": "Float64",
    "best_lwlrap": "Float64",
    "chance": "Float64",
    "constant": "Float64",
    "at_constant_level": "boolean",
    "loss": "Float64",
    "started": "datetime64[us, UTC]",
    "seconds": "Float64",
    "arm_of": "string",
    "changed": "string",
}
"""Columns of the listing and their types; what a run does not say is missing there, never zero.

Of an arm of `flatline revive`, `arm_of` is the name of the run that was tried, and `changed` says what was.
"""


def list_runs(logs: str | os.PathLike[str]) -> pd.DataFrame:
    """One row a run under `logs`, newest first; a run that cannot be read is a row that says why.

    Read are run.json, the evaluations and the names of files. `reason` is why a run is "unreadable"; `loss` is that of
    the last evaluation; `seconds` is wall time, still counting while the run does.

    logs : the folder of runs; one that is not there holds none
    Returns a table with the columns COLUMNS.
    """
    return Listing(logs).table()


class Listing:
    """The runs of one folder; asked again, it reads again only those that changed."""

    def __init__(self, logs: str | os.PathLike[str]) -> None:
        self.logs = place(logs)
        self._rows: dict[Path, tuple[str, dict[str, Any]]] = {}

    def table(self) -> pd.DataFrame:
        """The table of `list_runs` as it is now."""
        folders = run_folders(self.logs)
        self._rows = dict(zip(folders, _each(self._row, folders), strict=True))
        found = [row for _, row in self._rows.values()]
        rows = pd.DataFrame(
            {name: pd.Series([row.get(name) for row in found], dtype=kind) for name, kind in COLUMNS.items()}
        )
        rows["seconds"] = rows["seconds"].fillna(_so_far(rows))
        return rows.sort_values(["started", "name"], ascending=[False, True], ignore_index=True)

    def _row(self, path: Path) -> tuple[str, dict[str, Any]]:
        mark = recorded_mark(path)
        known = self._rows.get(path)
        return known if known is not None and known[0] == mark else (mark, _readable_row(path))


def run_folders(logs: Path) -> list[Path]:
    """Folders under `logs` that are runs or the remains of one, by name."""
    try:
        folders = [path for path in logs.iterdir() if not path.name.startswith(".")]
    except StoreError:
        raise
    except OSError:
        return []
    return sorted(path for path, is_run in zip(folders, _each(_is_run, folders), strict=True) if is_run)


def _is_run(path: Path) -> bool:
    return (path / "run.json").is_file() or (path / "iterations").is_dir()


def _each(function: Callable[[Path], T], paths: Sequence[Path]) -> list[T]:
    """The function of every path; of those in a store, where each takes requests, many at a time."""
    if not any(map(is_remote, paths)):
        return [function(path) for path in paths]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(function, paths))


def recorded_mark(path: Path) -> str:
    """A word that changes whenever something is recorded in the run's folder, its status included; reads no file."""
    if is_remote(path):
        found = path.objects()
        words = sorted((name, mark_of(entry)) for name, entry in found.items() if name != ".lock")
        return hashlib.sha256(repr((is_locked(path), words)).encode()).hexdigest()
    parts = ("run.json", "iterations", "tail/iterations", "evaluations", "tail/evaluations")
    return " ".join(str(value) for value in (is_locked(path), *(_changed(path / part) for part in parts)))


def _changed(path: Path) -> int | None:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return None


def _readable_row(path: Path) -> dict[str, Any]:
    """The run's row, or the row that says why there is none: one broken log must not hide the others."""
    try:
        return _typed(_run_row(Run(path)))
    except Exception as error:
        if not isinstance(error, FlatlineError):  # a fault of ours must not pass for one of the log's
            LOGGER.exception("the run %s cannot be listed", path)
        return {"name": path.name, "status": UNREADABLE, "reason": str(error) or type(error).__name__}


def _run_row(run: Run) -> dict[str, Any]:
    info, recipe = run.info, run.recipe
    last = run.last_iteration
    arm_of, changed = parent_of(info) or (None, None)
    return {
        "name": run.name,
        "status": run.status,
        "architecture": recipe.get("model", {}).get("architecture"),
        "head": recipe.get("model", {}).get("head"),
        "loss_kind": info.get("loss_kind"),
        "seed": recipe.get("seed", info.get("seed")),
        "iterations": 0 if last is None else last + 1,
        "planned": info.get("iterations_planned"),
        "started": _time(info, "started"),
        "seconds": _seconds(info),
        "arm_of": arm_of,
        "changed": changed,
        **scores_of_run(run.path),
    }


def _typed(row: dict[str, Any]) -> dict[str, Any]:
    """The row with its values as their columns hold them; raises what int and float raise on anything else."""
    kinds = {"string": str, "Int64": int, "UInt64": lambda seed: int(seed) % 2**64, "Float64": float}
    typed = {name: kinds.get(COLUMNS[name], lambda value: value) for name in row}
    return {name: None if value is None else typed[name](value) for name, value in row.items()}


def _time(info: dict[str, Any], key: str) -> datetime.datetime | None:
    """A time of run.json in UTC; one without a zone is taken for UTC."""
    if not info.get(key):
        return None
    time = datetime.datetime.fromisoformat(info[key])
    return time.replace(tzinfo=time.tzinfo or datetime.UTC).astimezone(datetime.UTC)


def _seconds(info: dict[str, Any]) -> float:
    """Wall time of a run that has ended; NaN before, and for one that died without a word."""
    started, ended = _time(info, "started"), _time(info, "ended")
    return (ended - started).total_seconds() if started and ended else math.nan


def _so_far(rows: pd.DataFrame) -> pd.Series:
    """Seconds since the start of the runs that are running, missing for the others."""
    elapsed = (pd.Timestamp.now("UTC") - rows["started"]).dt.total_seconds().round()
    return elapsed.where(rows["status"] == "running").astype("Float64")
