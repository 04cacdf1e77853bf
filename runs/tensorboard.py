"""A run as TensorBoard events, and TensorBoard events as a run; both sides have the names of `exporting`."""

import os
import re
import socket
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..diagnostics.errors import RunError, unknown
from .exporting import EVALUATION, LISTS, numbers
from .log import RunLog
from .run import Run

INSTALL = "pip install 'flatline[tensorboard]'"

ALIASES = {
    "loss": ("loss", "train/loss", "train_loss", "Loss/train", "loss/train", "training_loss", "train_loss_step"),
    "learning_rate": ("learning_rate", "lr", "train/learning_rate", "train/lr", "lr-Adam", "lr-AdamW", "lr-SGD"),
    "epoch": ("epoch", "train/epoch"),
    "gradient_norm_total": ("gradient_norm_total", "grad_2.0_norm_total", "grad_norm", "gradient_norm"),
    "gradient_norm_unclipped": ("gradient_norm_unclipped", "train/grad_norm"),
}
"""Columns, and the tags of which the first there is becomes them: usual ones, Lightning's (`grad_2.0_norm_total`,
`lr-Adam`) and transformers' (`train/grad_norm` is its norm before clipping)."""

PER_PARAMETER = re.compile(r"(?:gradient_norms?|grad_norms?|grad_2\.0_norm)/(.+)")

RESERVED = {"iteration", "wall_time", "weight_norm", "update_ratio", "positives", "attention_entropy", "attention_peak"}
"""Columns of a run log that are no scalar: a tag of that name becomes `tag/<name>`, as of a list's or a taken name."""


def export_tensorboard(run: Run, folder: str | os.PathLike[str]) -> int:
    """Write a run's scalars as one event file in `folder`; returns how many numbers it holds.

    The step is the iteration, wall times are the run's, NaN is left out. One event holds all numbers of an iteration,
    which costs a tenth of one event a number.
    Raises RunError if tensorboard is not installed, the run is empty, or events lie in the folder already.
    """
    try:
        from tensorboard.compat.proto import event_pb2, summary_pb2  # pyright: ignore[reportMissingImports]
        from tensorboard.summary.writer.record_writer import RecordWriter  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise RunError(f"tensorboard is not installed (export_tensorboard); {INSTALL}") from error
    protocol: Any = {**vars(event_pb2), **vars(summary_pb2)}
    path, n_numbers = _event_file(Path(folder)), 0
    hidden = path.with_name(".flatline-export")  # TensorBoard reads whatever has tfevents in its name
    with hidden.open("wb") as file:
        writer = RecordWriter(file)
        writer.write(protocol["Event"](wall_time=time.time(), file_version="brain.Event:2").SerializeToString())
        for row in numbers(run):
            values = [protocol["Summary"].Value(tag=tag, simple_value=number) for tag, number in row.values]
            summary = protocol["Summary"](value=values)
            event = protocol["Event"](step=row.iteration, wall_time=row.wall_time, summary=summary)
            writer.write(event.SerializeToString())
            n_numbers += len(values)
    if not n_numbers:
        hidden.unlink()
        raise RunError(f"run {run.name} has no numbers yet (export_tensorboard); export it when it has trained")
    hidden.rename(path)
    return n_numbers


def import_tensorboard(
    events: str | os.PathLike[str], log: str | os.PathLike[str], *, rename: Mapping[str, str] | None = None
) -> Path:
    """Write the scalars of TensorBoard events as a run log, for `flatline.Run` to open; returns its folder.

    events : an event file, or the folder of one run; a folder inside it goes before its tags ("train/loss")
    log : the run's folder, which must not be there or be empty
    rename : {tag: name}, before ALIASES and PER_PARAMETER; every other tag is a scalar of its own name

    A row is a step at which something was logged; what was not logged at it is NaN. Where a tag came at a step again,
    as from a run that was started anew in the same folder, the newest counts; run.json says how many were left out.
    Raises RunError if tbparse is not installed, there are no scalars, or something stands at `log`.
    """
    scalars, tags = _read(Path(events))
    newest = scalars.sort_values("wall_time", kind="stable").drop_duplicates(["tag", "step"], keep="last")
    names = _names(tags, rename or {})
    labels = {column: _entries(names.values(), column) for column in LISTS}
    classes = [name for column, kind in LISTS.items() if kind == "classes" for name in labels[column]]
    info = {
        "recipe": None,
        "source": "tensorboard",
        "events": str(Path(events).resolve()),
        "events_left_out": len(scalars) - len(newest),
        "parameters": labels["gradient_norm"],
        "classes": list(dict.fromkeys(classes)),
        "signals": {name: {"unit": "", "meaning": f"tag {tag} of the events"} for tag, name in names.items()},
    }
    evaluated = {name: name.startswith(EVALUATION) for name in names.values()}
    target = RunLog(log, info)
    for row in _rows(newest, {tag: name for tag, name in names.items() if not evaluated[name]}, info):
        target.append(row)
    for row in _rows(newest, {tag: name for tag, name in names.items() if evaluated[name]}, info):
        target.append_evaluation({name.removeprefix(EVALUATION): value for name, value in row.items()})
    target.close()
    return target.path


def _event_file(folder: Path) -> Path:
    """The file to be, in a folder without events: two writers' would be drawn as one run."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"{folder} cannot be made ({error.strerror}); export to another folder") from error
    if there := next(folder.glob("*tfevents*"), None):
        raise RunError(f"{folder} holds events already ({there.name}); export to an empty folder")
    return folder / f"events.out.tfevents.{int(time.time())}.{socket.gethostname()}.flatline"


def _read(path: Path) -> tuple[pd.DataFrame, list[str]]:
    """Scalars (tag, step from 0 on, value, wall_time) in the order of their files, and the tags as they first came.

    Each event file is read by itself: tbparse would try whatever else lies in a folder, checkpoints too.
    """
    try:
        from tbparse import SummaryReader  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise RunError(f"tbparse is not installed (import_tensorboard); {INSTALL}") from error
    files = [path] if path.is_file() else sorted(path.rglob("*tfevents*"))
    tables: list[Any] = []
    tags: dict[str, None] = {}
    for file in files:
        prefix = "" if file.parent in (path, path.parent) else f"{file.parent.relative_to(path).as_posix()}/"
        reader = SummaryReader(str(file), extra_columns={"wall_time"}, event_types={"scalars", "tensors"})
        tables += [
            table.assign(tag=prefix + table["tag"])
            for table in (reader.scalars, _single_numbers(reader.tensors))
            if len(table)
        ]
        tags.update(dict.fromkeys(prefix + tag for kind in reader.tags.values() for tag in kind))
    scalars = pd.concat(tables).query("step >= 0") if tables else pd.DataFrame()
    if scalars.empty:
        what = f"{len(files)} files there have tfevents in the name" if path.is_dir() else "it is no event file"
        raise RunError(f"no scalars in {path}: {what} (import_tensorboard); give an event file or one run's folder")
    known = set(scalars["tag"])
    return scalars, [tag for tag in tags if tag in known]


def _single_numbers(tensors: Any) -> Any:
    """Rows of tensors with one number: TensorFlow 2 and Keras write scalars so."""
    values = [np.asarray(value) for value in tensors["value"]] if len(tensors) else []
    fits = [value.size == 1 and np.issubdtype(value.dtype, np.number) for value in values]
    return tensors[fits].assign(value=[value.item() for value, fit in zip(values, fits, strict=True) if fit])


def _names(tags: list[str], rename: Mapping[str, str]) -> dict[str, str]:
    """What each tag is called in the run log.

    Raises UnknownNameError for a tag in `rename` that is not there; RunError where two tags would have one name.
    """
    for tag in rename:
        if tag not in tags:
            raise unknown("tag", tag, tags, "import_tensorboard, rename=")
    names = dict(rename)
    for column, aliases in ALIASES.items():
        found = next((tag for tag in aliases if tag in tags and tag not in names), None)
        if found is not None and column not in names.values():
            names[found] = column
    for tag in tags:
        of_parameter = PER_PARAMETER.fullmatch(tag)
        names.setdefault(tag, f"gradient_norm/{of_parameter[1]}" if of_parameter else tag)
    taken: dict[str, str] = {}
    for tag in sorted(tags, key=lambda tag: tag not in rename):  # who was named by the user has the name
        name = _legal(names[tag])
        name = f"tag/{name}" if name in taken and tag not in rename else name
        if (other := taken.setdefault(name, tag)) != tag:
            raise RunError(
                f"tags {other!r} and {tag!r} would both be {name!r} (import_tensorboard); give each its own name"
            )
    return {tag: name for name, tag in sorted(taken.items(), key=lambda item: tags.index(item[1]))}


def _legal(name: str) -> str:
    """A name that is not a column of another kind."""
    prefix = EVALUATION if name.startswith(EVALUATION) else ""
    is_column = name.removeprefix(prefix) in RESERVED or name in LISTS
    return f"{prefix}tag/{name.removeprefix(prefix)}" if is_column else name


def _entries(names: Iterable[str], column: str) -> list[str]:
    """Parameters or classes among names `<column>/<entry>`."""
    return [name.removeprefix(f"{column}/") for name in names if name.startswith(f"{column}/")]


def _rows(scalars: pd.DataFrame, names: Mapping[str, str], info: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """One row a step at which one of the tags was logged, ascending; its lists are as long as run.json says."""
    events = scalars[scalars["tag"].isin(list(names))]
    steps, places = np.unique(np.asarray(events["step"]), return_inverse=True)
    columns = {name: np.full(len(steps), np.nan) for name in names.values()}
    wall_times = np.zeros(len(steps))
    np.maximum.at(wall_times, places, np.asarray(events["wall_time"]))
    for tag, its in events.assign(place=places).groupby("tag"):
        columns[names[str(tag)]][np.asarray(its["place"])] = np.asarray(its["value"], dtype=float)
    nothing = np.full(len(steps), np.nan)
    lists = {}
    for column, kind in LISTS.items():
        entries = [columns.pop(f"{column}/{entry}", nothing) for entry in info[kind]]
        if any(values is not nothing for values in entries):
            lists[column] = np.stack(entries, axis=1)
    for place, step in enumerate(steps):
        row = {"iteration": int(step), "wall_time": wall_times[place]}
        row.update({name: values[place] for name, values in lists.items()})
        yield row | {name: values[place] for name, values in columns.items() if not np.isnan(values[place])}
