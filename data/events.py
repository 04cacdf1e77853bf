"""True onsets and offsets, from a table as sound event detection knows them: sed_eval, DESED, ours."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from .errors import DataError, FaultError, Problem, summarise
from .label_csv import csv_lines

FILE = "events.csv"
"""Where a data root has its table, unless another is named."""

COLUMNS: dict[str, tuple[str, ...]] = {
    "clip": ("fname", "filename", "file"),
    "onset": ("onset_s", "onset", "event_onset"),
    "offset": ("offset_s", "offset", "event_offset"),
    "label": ("event_label", "label"),
}
"""What the columns of such tables are called: ours, DESED's and sed_eval's (dcase_util's) names."""

HEADER = "fname,onset_s,offset_s,event_label"


@dataclass(frozen=True)
class Event:
    """One sound in a clip; times in seconds."""

    onset_s: float
    offset_s: float
    label: str


@dataclass(frozen=True)
class EventTable:
    """The true events of clips.

    events : by clip, by its file's name alone, in order of onset; empty for a clip of which the table says that it has
        none
    """

    path: Path
    events: Mapping[str, tuple[Event, ...]]

    def unknown(self, clips: Collection[str], classes: Collection[str]) -> tuple[str, ...]:
        """What of the table cannot be used with these clips and classes, a sentence each; it is left out of scores."""
        absent = [name for name in self.events if name not in clips]
        labels = sorted({event.label for events in self.events.values() for event in events} - set(classes))
        said = []
        if absent:
            said.append(f"{len(absent)} clips of {self.path} are not in the data and were left out ({_some(absent)})")
        if labels:
            said.append(f"{len(labels)} labels of {self.path} are no class and were left out ({_some(labels)})")
        return tuple(said)


def read_events(path: Path) -> EventTable:
    """A table of true events: a line an event, in CSV or TSV with a header (`COLUMNS`), in any order.

    A clip is told by its file's name; a folder before it is left out. A line whose onset, offset and label are all
    empty says that the clip has no event, as in DESED.

    Raises DataError for a file that is not there, cannot be read or has no such columns, and one error for all lines
    with a time that is no number, not finite or negative, an offset before its onset, or no clip or label.
    Source: sed_eval and dcase_util (event lists), DESED (filename, onset, offset, event_label).
    """
    if not path.is_file():
        raise DataError(f"there is no table of true onsets at {path}; make one with a first line {HEADER}, or name one")
    lines = csv_lines(path)
    _, header = next(lines, (1, []))
    places = _places(path, header)
    found: dict[str, list[Event]] = {}
    problems: list[Problem] = []
    for row, cells in lines:
        values = {name: cells[place] if place < len(cells) else "" for name, place in places.items()}
        try:
            clip, event = _read(values)
        except ValueError as fault:
            problems.append(Problem(path, row, str(fault), "correct the line"))
            continue
        found.setdefault(clip, []).extend([] if event is None else [event])
    if problems:
        subject = f"{len(problems)} of {sum(map(len, found.values())) + len(problems)} lines cannot be used"
        raise DataError(summarise(problems, subject, "correct or remove these lines"))
    return EventTable(path, {clip: tuple(sorted(events, key=_order)) for clip, events in found.items()})


def _places(path: Path, header: Sequence[str]) -> dict[str, int]:
    """Where each column stands.

    Raises FaultError for a table without one of them.
    """
    names = {name.strip().lower(): place for place, name in reversed(list(enumerate(header)))}
    found = {
        column: next((names[alias] for alias in aliases if alias in names), None) for column, aliases in COLUMNS.items()
    }
    missing = [" or ".join(COLUMNS[column]) for column, place in found.items() if place is None]
    if missing:
        there = ", ".join(header)[:200] or "none, the file is empty"
        what = f"has no column {'; nor '.join(missing)}; columns found: {there}"
        raise FaultError(Problem(path, None, what, f"give it a first line {HEADER}"))
    return {column: place for column, place in found.items() if place is not None}


def _read(values: Mapping[str, str]) -> tuple[str, Event | None]:
    """Clip and event of a line; raises ValueError saying what is wrong with it."""
    clip = PurePosixPath(values["clip"].replace("\\", "/")).name
    if not clip:
        raise ValueError("names no clip")
    if not (values["onset"] or values["offset"] or values["label"]):
        return clip, None
    onset_s, offset_s = (_seconds(values[name], name) for name in ("onset", "offset"))
    if offset_s < onset_s:
        raise ValueError(f"offset {offset_s} lies before onset {onset_s}")
    if not values["label"]:
        raise ValueError("has no label")
    return clip, Event(onset_s, offset_s, values["label"])


def _seconds(text: str, what: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise ValueError(f"{what} is {text!r}, which is no number") from None
    if not math.isfinite(value) or value < 0:
        raise ValueError(f"{what} is {text}, where seconds from the clip's start are needed")
    return value


def _order(event: Event) -> tuple[float, float, str]:
    return event.onset_s, event.offset_s, event.label


def _some(names: Sequence[str], most: int = 3) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
