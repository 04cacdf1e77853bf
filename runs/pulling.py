"""The folder of this disk in which a run of a store is written: begun, found again after a kill, or fetched."""

import hashlib
import shutil
import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ..diagnostics.errors import RunError
from .locking import is_locked
from .remote_path import RemotePath
from .segments import outermost, segments_in
from .sending import Mark, marks
from .store import asking, cache_folder

WRITER = ".writer"
"""Holds a word of its own for each folder from which a run was written: the same here and in the store while nobody has
written or thinned that run from anywhere else."""

UNCHANGING = (".parquet", ".safetensors", ".pt")


def spool_of(remote: RemotePath) -> Path:
    """The folder of this disk for a run of a store."""
    return cache_folder("spool") / f"{remote.name}-{hashlib.sha256(str(remote).encode()).hexdigest()[:12]}"


def prepared(remote: RemotePath, resume: bool) -> dict[str, Mark | None]:
    """Make the folder, for the holder of the run's lock; returns what the store has (see `Sending`).

    What a killed writer left here goes on from here, so that nothing of it is lost; anything else is fetched anew.
    Raises RunError for a run that stands there and is not to be resumed, StoreError where the store cannot be used.
    """
    folder, there = spool_of(remote), visible(remote.objects())
    if is_locked(folder):
        raise RunError(f"{folder}, from where {remote} is written, is held by another process; stop that one first")
    if there and not resume:
        what = "holds a run already; choose another name, or resume that one"
        raise RunError(f"{remote} {what if 'run.json' in there else 'is there and is no run log; choose another'}")
    if resume and _goes_on(remote, folder):
        here = marks(folder)
        return {name: here[name] if _is_same(name, entry, here) else None for name, entry in there.items()}
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    _pull(remote, folder, there)
    token = uuid.uuid4().hex
    (remote / WRITER).write_bytes(token.encode())
    (folder / WRITER).write_text(token, encoding="utf-8")
    here = marks(folder)
    _drop_replaced(folder)
    return {name: here[name] for name in there}


def visible(names: dict[str, Any]) -> dict[str, Any]:
    """Those without a part that begins with a dot."""
    return {name: entry for name, entry in names.items() if not any(part.startswith(".") for part in name.split("/"))}


def _goes_on(remote: RemotePath, folder: Path) -> bool:
    try:
        return (folder / WRITER).read_bytes() == (remote / WRITER).read_bytes()
    except FileNotFoundError:
        return False


def _is_same(name: str, entry: dict[str, Any], here: dict[str, Mark]) -> bool:
    return name.endswith(UNCHANGING) and name in here and here[name][2] == entry.get("size")


def _pull(remote: RemotePath, folder: Path, names: Iterable[str]) -> None:
    if pairs := {(remote / name).key: str(folder / name) for name in names}:
        for path in pairs.values():
            Path(path).parent.mkdir(parents=True, exist_ok=True)
        with asking(remote, missing=False):
            remote.fs.get(list(pairs), list(pairs.values()))


def _drop_replaced(folder: Path) -> None:
    """Drop sealed files whose rows another holds too: a resume was killed while it was put there."""
    for kind in (folder / "iterations", folder / "evaluations", *(folder / "maps").glob("*")):
        for segment in set(segments_in(kind)) - set(outermost(segments_in(kind))):
            segment.path.unlink()
