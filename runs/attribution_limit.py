"""How many attributions a run keeps of those that nobody asked for by name: a page makes many, one a look.

Beside such an attribution lies an empty file `<key>.page`. What `flatline attribute` made, or was asked for, has none:
it stays.
"""

from contextlib import suppress
from pathlib import Path

from .attributed_clips import drop_attributed
from .attribution_store import FOLDER, all_stored, read_stored

MARK = ".page"

MOST = 200
"""Attributions that a page may leave in a run; ours: 20 to 150 kB each, so at most 30 MB."""


def mark_as_passing(run: Path, key: str) -> None:
    """Say of an attribution that it may go, before it is kept or after."""
    (run / FOLDER).mkdir(exist_ok=True)
    (run / FOLDER / f"{key}{MARK}").touch()


def mark_as_lasting(run: Path, key: str) -> None:
    """Say of a kept attribution that it stays; where the folder cannot be written, it may go as before."""
    with suppress(OSError):
        (run / FOLDER / f"{key}{MARK}").unlink(missing_ok=True)


def is_passing(run: Path, key: str) -> bool:
    """Whether it may go."""
    return (run / FOLDER / f"{key}{MARK}").exists()


def drop_oldest(run: Path, most: int = MOST) -> int:
    """Delete the oldest of those that may go, until there are `most`; how many went.

    A clip that no attribution is of any more goes with it.
    """
    marks = sorted((run / FOLDER).glob(f"*{MARK}"), key=lambda path: path.stat().st_mtime_ns)
    gone = marks[: max(len(marks) - most, 0)]
    clips = {stored.clip for mark in gone if (stored := read_stored(run, mark.stem)) is not None}
    for mark in gone:
        for suffix in (".json", ".npz", MARK):  # the .json first: where it is, all is
            mark.with_suffix(suffix).unlink(missing_ok=True)
    for clip in clips - {stored.clip for stored in all_stored(run)} if clips else ():
        drop_attributed(run, clip)
    return len(gone)
