"""A run moved or taken away, wherever it is; for the holder of its lock."""

import os
import shutil
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from .places import is_remote
from .pulling import WRITER
from .remote_path import RemotePath, changed_at
from .sending import INFO, delete_all
from .store import asking

LOCK = ".lock"


def move(path: Path, target: Path) -> Path:
    """Give a run another name, or bring it to another place beside it; returns that.

    A store cannot rename: its objects are copied there, run.json last, and then deleted, run.json first; so it is a run
    in one of the two places at any moment, and for one moment in both.
    """
    if not is_remote(path):
        return path.rename(target)
    assert is_remote(target)
    names = [name for name in _objects(path) if name != INFO]
    with asking(path, missing=False):
        if names:
            path.fs.copy([(path / name).key for name in names], [(target / name).key for name in names])
        path.fs.copy((path / INFO).key, (target / INFO).key)
    remove(path)
    return target


def remove(path: Path) -> None:
    """Delete a run, run.json first; a store's lock stays for its holder to let go."""
    if not is_remote(path):
        shutil.rmtree(path)
        return
    (path / INFO).unlink()
    if names := [name for name in _objects(path, hidden=True) if name != LOCK]:
        delete_all(path, names)


def remove_parts(path: Path, folders: Iterable[Path]) -> None:
    """Delete folders of a run; whoever wrote it last from a folder of another disk has to fetch it anew."""
    if is_remote(path):
        (path / WRITER).unlink()
    for folder in folders:
        if is_remote(folder):
            delete_all(folder, list(folder.objects()))
        else:
            shutil.rmtree(folder)


def size_of(places: Iterable[Path]) -> int:
    """Bytes of all files in these folders."""
    return sum(_size(place) for place in places)


def last_change(path: Path) -> datetime | None:
    """When a run in a store was last written, as far as that is known."""
    assert is_remote(path)
    times = [time for entry in path.objects().values() if (time := changed_at(entry)) is not None]
    return max(times, default=None)


def _size(place: Path) -> int:
    if is_remote(place):
        return sum(entry.get("size") or 0 for entry in place.objects().values())
    walked = (Path(root, name) for root, _, names in os.walk(place) for name in names)
    return sum(file.lstat().st_size for file in walked)


def _objects(path: RemotePath, hidden: bool = False) -> list[str]:
    return [name for name in path.objects() if hidden or not any(part.startswith(".") for part in name.split("/"))]
