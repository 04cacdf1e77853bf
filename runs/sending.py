"""A run's folder put into a store: which files, in which order, so that whoever reads there finds each row once.

Objects are put whole, under their final names. Sealed rows are put before the files of the tail that held them are
deleted, and in order of iterations, so that at any moment a reader finds a beginning of the run without a hole. Rows
are put before what tells of them: evaluations, events, checkpoints (`.pt`, then the weights), and at last run.json.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, suppress
from pathlib import Path

from .remote_path import RemotePath
from .segments import segment_at
from .store import SEE_TO, StoreError, asking, reason

INFO = "run.json"

RANKS = (
    *("iterations/", "tail/iterations/", "evaluations/", "tail/evaluations/", "maps/", "tail/", "pyramid/"),
    *("", "superseded/", "events.jsonl", "checkpoints/", INFO),
)
"""How names begin, in the order in which new files are put; the empty one is everything else."""

IN_ORDER = ("iterations", "evaluations", "maps", "checkpoints", "superseded")
"""Folders whose files are deleted one by one, the newest first; of the others a single request deletes many."""

OWNED = (*IN_ORDER, "tail", "pyramid")
"""What may be deleted in the store; what others put there (attributions) is not ours."""

Mark = tuple[int, int, int]


class Sending:
    """Keeps a store like a folder of this disk.

    folder : where the run is written
    known : names that the store has, with the marks of the files when they were put; None where they must be put again
    alive : called before each put; raises OSError once the run is no longer ours
    """

    def __init__(
        self, folder: Path, remote: RemotePath, known: dict[str, Mark | None], alive: Callable[[], object]
    ) -> None:
        self.folder, self.remote, self.known, self.alive = folder, remote, known, alive

    def send(self, guard: AbstractContextManager[object]) -> int:
        """Put what is new, then delete what is gone; returns the newest iteration that the store has then, or -1.

        guard : entered while the files are listed, so that nobody changes them
        Raises StoreError where the store cannot be written; a later call goes on.
        """
        while True:
            with guard:
                files = marks(self.folder)
            if self._put([name for name in sorted(files, key=_order) if self.known.get(name) != files[name]], files):
                self._delete(sorted(self.known.keys() - files.keys(), key=_order, reverse=True))
                return newest(files)

    def _put(self, names: list[str], files: dict[str, Mark]) -> bool:
        """Whether every file was still there."""
        if INFO in names and INFO not in self.known:  # it makes a run of the folder
            names = [INFO, *(name for name in names if name != INFO)]
        for name in names:
            self.alive()
            try:
                self._put_one(name, files[name])
            except FileNotFoundError:  # merged or sealed since it was listed: what holds its rows comes first
                return False
        return True

    def _put_one(self, name: str, mark: Mark) -> None:
        path = self.folder / name
        try:
            with asking(self.remote):
                self.remote.fs.put_file(str(path), (self.remote / name).key)
        except FileNotFoundError as error:
            if path.exists():  # then it is the bucket
                raise StoreError(f"{self.remote} cannot be used ({reason(error)}); {SEE_TO}") from error
            raise
        self.known[name] = mark

    def _delete(self, names: list[str]) -> None:
        owned = [name for name in names if name.split("/")[0] in OWNED]
        ordered = [name for name in owned if name.split("/")[0] in IN_ORDER]
        for name in ordered:
            (self.remote / name).unlink()
        if others := [name for name in owned if name.split("/")[0] not in IN_ORDER]:
            delete_all(self.remote, others)
        for name in names:
            del self.known[name]


def delete_all(remote: RemotePath, names: list[str]) -> None:
    """Delete objects in no order, many with a request where the store can."""
    with asking(remote), suppress(FileNotFoundError):
        remote.fs.rm([(remote / name).key for name in names])


def marks(folder: Path) -> dict[str, Mark]:
    """Every visible file below a folder with what tells it from a later one of its name."""
    return {
        str(path.relative_to(folder)): (stat.st_ino, stat.st_mtime_ns, stat.st_size) for path, stat in _files(folder)
    }


def _files(folder: Path) -> Iterator[tuple[Path, os.stat_result]]:
    with suppress(FileNotFoundError):
        for entry in os.scandir(folder):
            if entry.name.startswith("."):
                continue
            if entry.is_dir():
                yield from _files(Path(entry.path))
            else:
                with suppress(FileNotFoundError):
                    yield Path(entry.path), entry.stat()


def newest(names: Iterable[str]) -> int:
    """The last iteration that files of these names hold; -1 for none."""
    rows = [name for name in names if name.startswith(("iterations/", "tail/iterations/"))]
    segments = [segment for name in rows if (segment := segment_at(Path(name))) is not None]
    return max((segment.last for segment in segments), default=-1)


def _order(name: str) -> tuple[int, str]:
    ranks = (rank for rank, start in enumerate(RANKS) if start and name.startswith(start))
    return next(ranks, RANKS.index("")), name
