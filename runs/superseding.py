"""Rows of an attempt that a resume replaces: out of the tables, into `superseded/<number>/`, a run log of its own.

In what order, so that a reader or a kill between any two steps finds no row twice in the run: everything is sealed;
then, newest segment first, one that lies behind the cut is renamed away whole. The one that the cut goes through is
first copied away as far as it lies behind the cut, then replaced under its own name by the rows before the cut, then
renamed to what it now holds. All this goes into `superseded/.unfinished`, which gets its number last; a resume that was
cut short is taken up there by the next one.
"""

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow.compute as pc

from . import pyramid
from .ablations import FOLDER
from .jsons import write_json
from .log import read_info, seal_left
from .segments import Segment, open_segment, read_segment, segments_in, write_whole

UNFINISHED = ".unfinished"


def supersede(
    run: Path, iteration: int, *, evaluated: bool, checkpoints: Sequence[Path] = ()
) -> tuple[int, int | None]:
    """Take away what was recorded after a checkpoint; for the holder of the folder's lock.

    iteration : optimiser steps done at the checkpoint: rows 0 to iteration - 1 stay
    evaluated : whether the evaluation at that iteration belongs to the checkpoint
    checkpoints : newer ones (their weights' files), that could not be used
    Returns how many rows of iterations went, and the number of the folder that has them; None where nothing went.
    Raises OSError where it cannot be written; a later call goes on.
    """
    seal_left(run)
    pyramid.forget(run / "pyramid", iteration - 1)
    aside = run / "superseded" / UNFINISHED
    for half in aside.rglob(".*.parquet"):
        half.unlink()
    behind = iteration + 1 if evaluated else iteration
    for folder in _folders(run):
        by_evaluation = folder.name == "evaluations" or (folder.parent.name == "maps" and folder.name != "mean")
        _cut(folder, aside / folder.relative_to(run), behind if by_evaluation else iteration)
    _cut_events(run, aside, iteration)
    _cut_ablations(run / FOLDER, aside / FOLDER, iteration)
    for path in checkpoints:
        (aside / "checkpoints").mkdir(parents=True, exist_ok=True)
        for half in (path, path.with_suffix(".pt")):
            half.rename(aside / "checkpoints" / half.name)
    if not aside.is_dir():
        return 0, None
    write_json(aside / "run.json", {**read_info(run), "status": "interrupted", "superseded_from": iteration})
    rows = sum(read_segment(file.path, ["iteration"]).num_rows for file in segments_in(aside / "iterations"))
    taken = [int(path.name) for path in aside.parent.iterdir() if path.name.isdecimal()]
    number = max(taken, default=0) + 1
    aside.rename(aside.with_name(str(number)))
    return rows, number


def _folders(run: Path) -> Iterator[Path]:
    """Every folder of segments; evaluations last but one, so that none is without the iterations before it."""
    yield from sorted(path for path in (run / "maps").glob("*") if path.is_dir())
    yield run / "evaluations"
    yield run / "iterations"


def _cut(folder: Path, aside: Path, cut: int) -> None:
    """Move rows from iteration `cut` on."""
    segments = segments_in(folder)
    for copy in segments_in(aside) if segments else ():  # of rows that the run still has: a resume was cut short there
        if copy.first <= read_segment(segments[-1].path, ["iteration"]).column(0)[-1].as_py():
            copy.path.unlink()
    for segment in reversed(segments):
        if segment.last < cut:
            return
        aside.mkdir(parents=True, exist_ok=True)
        if segment.first >= cut:
            segment.path.rename(aside / segment.path.name)
        else:
            _split(segment, aside, cut)


def _split(segment: Segment, aside: Path, cut: int) -> None:
    table = read_segment(segment.path)
    is_behind = pc.greater_equal(table.column("iteration"), cut)  # pyright: ignore[reportAttributeAccessIssue]
    kept, behind = table.filter(pc.invert(is_behind)), table.filter(is_behind)  # pyright: ignore[reportAttributeAccessIssue]
    if not kept.num_rows:  # thinned away
        segment.path.rename(aside / f"{cut:09d}-{segment.last:09d}.parquet")
        return
    if behind.num_rows:
        group_rows = _group_rows(segment.path)
        write_whole(behind.combine_chunks(), aside, f"{cut:09d}-{segment.last:09d}.parquet", group_rows)
        # The one file that changes under a visible name: no other order leaves every row there exactly once.
        write_whole(kept.combine_chunks(), segment.path.parent, segment.path.name, group_rows)
    segment.path.rename(segment.path.with_name(f"{segment.first:09d}-{cut - 1:09d}.parquet"))


def _group_rows(path: Path) -> int:
    with open_segment(path) as file:
        return file.metadata.row_group(0).num_rows


def _cut_events(run: Path, aside: Path, iteration: int) -> None:
    """Move the events of what was taken away; earlier resumes from the same checkpoint stay."""
    path = run / "events.jsonl"
    if not path.is_file():
        return
    kept, gone = [], []
    for line in path.read_bytes().splitlines(keepends=True):
        (kept if _stays(_event(line), iteration) else gone).append(line)
    if not gone:
        return
    aside.mkdir(parents=True, exist_ok=True)
    moved = aside / "events.jsonl"
    before = moved.read_bytes().splitlines(keepends=True) if moved.is_file() else []  # of a resume that was cut short
    moved.write_bytes(b"".join(dict.fromkeys([*gone, *before])))
    hidden = path.with_name(f".{path.name}")
    hidden.write_bytes(b"".join(kept))
    os.replace(hidden, path)


def _cut_ablations(folder: Path, aside: Path, iteration: int) -> None:
    """Move those of weights that were reached after the checkpoint."""
    for path in sorted(folder.glob("[0-9]*.json")):
        if path.stem.isdecimal() and int(path.stem) > iteration:
            aside.mkdir(parents=True, exist_ok=True)
            path.rename(aside / path.name)


def _stays(event: dict[str, Any], iteration: int) -> bool:
    at = event.get("iteration")
    return not isinstance(at, int) or at < iteration or (event.get("kind") == "resume" and at == iteration)


def _event(line: bytes) -> dict[str, Any]:
    """An event; nothing is known of a line that a killed writer left half."""
    try:
        event = json.loads(line)
    except ValueError:
        return {}
    return event if isinstance(event, dict) else {}
