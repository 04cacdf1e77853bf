"""Attributions that runs keep, held in memory: a page asks for them again and again, and they do not change."""

import os
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path

from ..runs.attribution_store import FOLDER, Stored, all_stored, read_stored

MOST_HELD = 20_000
"""Attributions in memory, of all runs; the run that was asked for the longest ago goes first. Ours: at 3 kB, 60 MB."""

SETTLED_NS = 2_000_000_000
"""Age of a folder's time from which on it tells of every change: file systems count in ticks, of some ms mostly and of
2 s at the coarsest (FAT). What changed later than that is listed again."""


@dataclass
class _Held:
    """mark : the folder's time when it was listed; None where it was too young to go by"""

    mark: int | None
    found: list[Stored]
    by_file: dict[tuple[str, int, int], Stored] = field(default_factory=dict)


_held: OrderedDict[Path, _Held] = OrderedDict()
_guard = threading.Lock()


def kept_attributions(run: Path) -> list[Stored]:
    """As `runs.attribution_store.all_stored`; a file is parsed once, and a folder listed where it has changed."""
    if not isinstance(run, Path):
        return all_stored(run)
    folder = run / FOLDER
    mark = _time(folder)
    with _guard:
        known = _held.get(run) or _Held(None, [])
    if mark is None or known.mark != mark:
        known = _listed(run, folder, mark, known)  # for long, perhaps: without the lock
    with _guard:
        _held[run] = known
        _held.move_to_end(run)
        while len(_held) > 1 and sum(len(held.found) for held in _held.values()) > MOST_HELD:
            _held.popitem(last=False)
    return list(known.found)


def _listed(run: Path, folder: Path, mark: int | None, before: _Held) -> _Held:
    by_file: dict[tuple[str, int, int], Stored] = {}
    for key in _files(folder):
        stored = before.by_file.get(key) or read_stored(run, key[0])
        if stored is not None:
            by_file[key] = stored
    found = sorted(by_file.values(), key=lambda one: (one.clip, one.class_name, one.method))
    is_settled = mark is not None and time.time_ns() - mark > SETTLED_NS
    return _Held(mark if is_settled else None, found, by_file)


def _files(folder: Path) -> list[tuple[str, int, int]]:
    """Name, time and inode of what says what an attribution is, where its arrays are there too."""
    try:
        with os.scandir(folder) as entries:
            there = {entry.name: entry for entry in entries if not entry.name.startswith(".")}
        facts = [(name.removesuffix(".json"), there[name].stat()) for name in there if name.endswith(".json")]
    except OSError:  # deleted meanwhile
        return []
    return [(stem, stat.st_mtime_ns, stat.st_ino) for stem, stat in facts if f"{stem}.npz" in there]


def _time(path: Path) -> int | None:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return None
