"""Files of the tail by twos: a segment and how many rows it holds, in order of iterations."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from .jsons import sync_folder
from .segments import Segment, segments_in

TailFile = tuple[Segment, int]


def oldest(rows: int, files: Sequence[TailFile]) -> Sequence[TailFile]:
    """The first of the files: `rows` rows or a little less, and no iteration on both sides of the cut."""
    counts = np.cumsum([count for _, count in files])
    taken = files[: int(np.searchsorted(counts, rows, side="right"))]
    return [file for file in files if taken and file[0].last <= taken[-1][0].last]


def parts(files: Sequence[TailFile], rows: int) -> list[Sequence[TailFile]]:
    """The files put together to `rows` rows or a little less, at least one file each."""
    found = []
    while files:
        found.append(oldest(max(rows, files[0][1]), files))
        files = files[len(found[-1]) :]
    return found


def delete(files: Iterable[TailFile]) -> None:
    """Delete the files that are still there."""
    for segment, _ in files:
        segment.path.unlink(missing_ok=True)


def delete_strays(tail: Path, known: Iterable[TailFile]) -> None:
    """Delete what an interruption left beside these: parts already merged, merges not taken over."""
    paths = {segment.path for segment, _ in known}
    for segment in segments_in(tail):
        if segment.path not in paths:
            segment.path.unlink(missing_ok=True)


def make_folders(folders: Iterable[Path], fsync: bool) -> None:
    """Two levels and no more: the run's own folder, where somebody deleted it, stays deleted."""
    for folder in folders:
        folder.parent.mkdir(exist_ok=True)
        folder.mkdir(exist_ok=True)
        if fsync:
            sync_folder(folder.parent)
            sync_folder(folder.parent.parent)
