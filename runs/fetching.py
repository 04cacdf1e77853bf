"""Objects of a store as files on this disk: fetched once, for they do not change, and kept for the next reader."""

import hashlib
import os
import threading
from contextlib import suppress
from pathlib import Path

from .places import is_remote
from .store import asking, cache_folder

KEPT_BYTES = 2**30
"""Of fetched objects that stay in the cache, those least recently used given up first; ours."""

LOOKED_AFTER = 2**26
"""Fetched bytes after which what the cache holds is counted again; ours."""

_counting = threading.Lock()
_fetched = LOOKED_AFTER


def local_file(path: Path) -> Path:
    """The file; of an object in a store, its copy in the cache.

    Raises FileNotFoundError for one that is not there, StoreError where the store cannot be used.
    """
    if not is_remote(path):
        return path
    key = hashlib.sha256(repr((str(path), path.mark())).encode()).hexdigest()[:40]
    copy = cache_folder("fetched") / f"{key}{os.path.splitext(path.name)[1]}"
    try:
        os.utime(copy)  # used now
    except FileNotFoundError:
        _fetch(path, copy)
    return copy


def _fetch(path: Path, copy: Path) -> None:
    assert is_remote(path)
    copy.parent.mkdir(parents=True, exist_ok=True)
    hidden = copy.with_name(f".{os.getpid()}-{threading.get_ident()}-{copy.name}")
    try:
        with asking(path):
            path.fs.get_file(path.key, str(hidden))
        _make_room(hidden.stat().st_size, copy.parent)
        os.replace(hidden, copy)
    finally:
        hidden.unlink(missing_ok=True)


def _make_room(size: int, folder: Path) -> None:
    global _fetched
    with _counting:
        _fetched += size
        if _fetched < LOOKED_AFTER:
            return
        _fetched = 0
    held = []
    for path in folder.iterdir():
        with suppress(FileNotFoundError):  # another process makes room too
            held.append((path.stat().st_mtime, path.stat().st_size, path))
    left = sum(size for _, size, _ in held)
    for _, size, path in sorted(held):
        if left <= KEPT_BYTES:
            return
        path.unlink(missing_ok=True)
        left -= size
