"""Runs deleted or thinned: chosen first, listed with what it frees, and only then done."""

import datetime
import fnmatch
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..diagnostics.errors import RunError
from .jsons import write_json
from .listing import run_folders
from .moving import last_change, remove, remove_parts, size_of
from .places import is_remote
from .run import Run
from .store_lock import is_locked, lock_of

STATES = ("finished", "interrupted", "failed")

PARTS = {"maps": ("maps", "tail/maps-*"), "checkpoints": ("checkpoints",)}
"""What can be deleted of a run that stays, and where it lies in its folder."""

GOING = ".pruned"
"""Ending of a run's folder while it is deleted, behind a dot in front, so that nobody takes the rest for a run."""

WRITTEN = "it is being written"


@dataclass(frozen=True)
class Choice:
    """Which runs, those that every condition holds for; what of them.

    names : patterns (`story-*`) of which one fits; states : one of STATES; older_than : days since it ended at least
    keep : the newest so many of those chosen stay
    parts : of PARTS, what is deleted of each; empty is the whole run
    """

    names: Sequence[str] = ()
    states: Sequence[str] = ()
    older_than: float | None = None
    keep: int | None = None
    parts: Sequence[str] = ()

    @property
    def is_open(self) -> bool:
        """Whether nothing says which runs."""
        return not self.names and not self.states and self.older_than is None and self.keep is None


@dataclass(frozen=True)
class Doomed:
    """A run that would be deleted, or the parts of one; size in bytes."""

    path: Path
    status: str
    ended: datetime.datetime
    parts: tuple[str, ...]
    size: int


@dataclass(frozen=True)
class Spared:
    """A run that was chosen and is left alone, and why."""

    name: str
    why: str


def chosen(logs: Path, choice: Choice) -> tuple[list[Doomed], list[Spared]]:
    """What would go, newest first, and what was chosen and must stay.

    Raises RunError if nothing says which runs.
    """
    if choice.is_open:
        raise RunError(
            f"nothing says which runs of {logs} to prune; give --name '*' for all, --state, --older-than or --keep"
        )
    found: list[Doomed] = []
    spared: list[Spared] = []
    for path in run_folders(logs):
        if choice.names and not any(fnmatch.fnmatchcase(path.name, pattern) for pattern in choice.names):
            continue
        if why := _untouchable(path):
            if not choice.states or why != WRITTEN:  # nobody asked for those that are running
                spared.append(Spared(path.name, why))
            continue
        run = Run(path)
        doomed = Doomed(path, run.status, _ended(run), tuple(choice.parts), _size(path, choice.parts))
        if _fits(doomed, choice):
            found.append(doomed)
    newest_first = sorted(found, key=lambda run: run.ended, reverse=True)[choice.keep or 0 :]
    return [run for run in newest_first if run.size or not run.parts], spared


def _fits(run: Doomed, choice: Choice) -> bool:
    if choice.states and run.status not in choice.states:
        return False
    age = datetime.datetime.now(datetime.UTC) - run.ended
    return choice.older_than is None or age >= datetime.timedelta(days=choice.older_than)


def _untouchable(path: Path) -> str:
    """Why a folder is never pruned; nothing where it may be."""
    if path.is_symlink():
        return "it is a link; prune the folder that it leads to"
    if is_locked(path):
        return WRITTEN
    try:
        Run(path)
    except RunError as error:
        return str(error)
    return ""


def delete(doomed: Doomed) -> None:
    """Delete a run, or the parts of it.

    Raises RunError where it is being written by now, is no run any more, or cannot be deleted.
    """
    if why := _untouchable(doomed.path):
        raise RunError(f"{doomed.path} was not pruned ({why})")
    lock = lock_of(doomed.path)  # raises where somebody began to write it just now
    try:
        if doomed.parts:
            _thin(Run(doomed.path), doomed.parts)
        elif is_remote(doomed.path):
            remove(doomed.path)
        else:
            doomed.path.rename(doomed.path.with_name(f".{doomed.path.name}{GOING}"))
            sweep(doomed.path.parent)
    except OSError as error:
        raise RunError(f"{doomed.path} was not pruned ({error.strerror or error}); see who may write there") from error
    finally:
        lock.close()


def sweep(logs: Path) -> None:
    """Delete what is on its way out, also what a deletion left that was cut short."""
    for going in logs.glob(f".*{GOING}"):
        shutil.rmtree(going)


def _thin(run: Run, parts: Sequence[str]) -> None:
    pruned = sorted({*run.info.get("pruned", ()), *parts})
    write_json(run.path / "run.json", {**run.info, "pruned": pruned})  # first: what is gone is never a riddle
    remove_parts(run.path, _folders(run.path, parts))


def _ended(run: Run) -> datetime.datetime:
    """When it ended; of one that died without a word, when its folder last changed."""
    if said := run.info.get("ended"):
        time = datetime.datetime.fromisoformat(said)
        return time.replace(tzinfo=time.tzinfo or datetime.UTC)
    if is_remote(run.path):
        return last_change(run.path) or datetime.datetime.now(datetime.UTC)
    times = (path.stat().st_mtime for path in (run.path, *run.path.glob("*"), *run.path.glob("tail/*")))
    return datetime.datetime.fromtimestamp(max(times), datetime.UTC)


def _folders(path: Path, parts: Sequence[str]) -> list[Path]:
    places = [(path / pattern).parent.glob(Path(pattern).name) for part in parts for pattern in PARTS[part]]
    return [folder for found in places for folder in found if folder.is_dir()]


def _size(path: Path, parts: Sequence[str]) -> int:
    return size_of(_folders(path, parts) if parts else [path])
