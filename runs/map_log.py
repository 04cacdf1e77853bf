"""Attention and localisation maps of a run, thinned by age and kept within a budget."""

import hashlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from urllib.parse import unquote

import numpy as np

from ..diagnostics.maps import MAX_FRAMES, encode_map
from .writer import SegmentWriter

FULL_MAPS = 2000
"""Iterations at either end of a run whose maps are all kept; ours, docs/design.md."""

MAPS_PER_DECADE = 100
"""Maps kept per tenfold of iterations in between: each at most 2.3 % later than the one before; ours."""

MAP_BYTES = 2**30
"""Maps of a run take at most so many bytes (1 GB; ours, docs/design.md), counted before compression."""

SEALED_BYTES = 2**22
"""Bytes of maps sealed at a time, which the writer then holds in memory three times over; ours: with 64 MB the recorder
grew by 130 MB at the first seal of large maps, with 4 MB by a tenth of that."""

MEAN = "mean"

LONGEST_NAME = 200
"""Bytes of a clip's folder name; file systems take 255."""


def keep_maps(iterations: np.ndarray, full: int = FULL_MAPS, per_decade: int = MAPS_PER_DECADE) -> np.ndarray:
    """Which maps stay once they are older than the newest `full`: the first `full`, then log-spaced ones.

    iterations : ascending
    >>> keep_maps(np.array([5, 1999, 2000, 2001, 2042, 2043])).tolist()
    [True, True, False, False, True, False]
    """
    before = np.concatenate([iterations[:1] - 1, iterations[:-1]])
    spaced = _decade(iterations, per_decade) != _decade(before, per_decade)
    return (iterations < full) | spaced


def _decade(iterations: np.ndarray, per_decade: int) -> np.ndarray:
    return np.floor(per_decade * np.log10(np.maximum(iterations, 1)))


@dataclass(frozen=True)
class Rule:
    """How many maps are kept: all of the first and of the newest `full`, `per_decade` in between."""

    full: int = FULL_MAPS
    per_decade: int = MAPS_PER_DECADE

    @classmethod
    def within(cls, budget: int, row_bytes: int) -> "Rule":
        """The usual rule, or a smaller one where maps of `row_bytes` would exceed the budget.

        A quarter of the budget each for the first maps, those in between, the newest, and those on their way out.
        """
        quarter = budget // (4 * max(row_bytes, 1))
        return cls(max(1, min(FULL_MAPS, quarter)), max(1, min(MAPS_PER_DECADE, quarter // 4)))


@dataclass
class MapLog:
    """Writers of the maps in one run's folder, one for the mean over the batch and one a pinned clip.

    path : the run's folder
    pinned : how many pinned clips there will be, asked when the first map comes; they share the budget
    fsync : whether a flush waits until the disk has it
    left_before : maps that were thinned before this run was resumed, by folder
    """

    path: Path
    pinned: Callable[[], int]
    budget: int = MAP_BYTES
    fsync: bool = False
    left_before: Mapping[str, int] = field(default_factory=dict)
    rules: dict[str, Rule] = field(default_factory=dict)
    writers: dict[str, SegmentWriter] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for tail in (self.path / "tail").glob("maps-*"):  # a killed writer's rows are sealed
            SegmentWriter(self.path / "maps" / tail.name.removeprefix("maps-"), tail)

    def append(self, iteration: int, maps: Mapping[str, np.ndarray], clip: str | None = None) -> None:
        """Take the maps (frame, class) of one iteration, and write what is due.

        clip : the pinned clip they are of, kept in full; None is the mean over the batch, of 256 frames at most
        """
        self.hold(iteration, maps, clip)
        self.flush_due()

    def hold(self, iteration: int, maps: Mapping[str, np.ndarray], clip: str | None = None) -> None:
        """Take them into memory alone."""
        most = MAX_FRAMES if clip is None else max([MAX_FRAMES, *map(len, maps.values())])
        parts = (
            (f"{name}.{part}", value)
            for name, values in maps.items()
            for part, value in encode_map(values, most).items()
        )
        row = {"iteration": iteration, **dict(parts)}
        folder = MEAN if clip is None else clip_folder(clip)
        if folder not in self.writers:
            writer = self._writer(folder, sum(len(v) for v in row.values() if isinstance(v, bytes)))
            self.writers[folder] = writer
            with suppress(OSError):  # the first flush tries again, and its caller is told
                writer.open()
        self.writers[folder].hold(row)

    def flush_due(self) -> None:
        """Write the rows of each folder whose time has come."""
        for writer in self.writers.values():
            if writer.due:
                writer.flush()

    def close(self) -> None:
        """Seal everything."""
        for writer in self.writers.values():
            writer.close()

    @property
    def left_out(self) -> dict[str, int]:
        """Maps that were thinned, by folder."""
        found = dict(self.left_before)
        for folder, writer in self.writers.items():
            found[folder] = found.get(folder, 0) + writer.left_out
        return found

    def _writer(self, folder: str, row_bytes: int) -> SegmentWriter:
        rule = Rule.within(self.budget // (1 + self.pinned()), row_bytes)
        self.rules[folder] = rule
        return SegmentWriter(
            self.path / "maps" / folder,
            self.path / "tail" / f"maps-{folder}",
            flush_rows=50 if folder == MEAN else 1,
            seal_rows=max(1, min(FULL_MAPS if folder == MEAN else 200, rule.full, SEALED_BYTES // max(row_bytes, 1))),
            retain_rows=rule.full,
            keep=partial(keep_maps, full=rule.full, per_decade=rule.per_decade),
            repeats=folder != MEAN,
            merge_rows=400,
            group_rows=50,
            fsync=self.fsync,
            lazy=True,
        )


def clip_folder(clip: str) -> str:
    """A clip's folder under maps/: its name, with what would lead elsewhere or hide it percent-encoded.

    >>> clip_folder("a b.wav"), clip_folder("../a.wav"), clip_folder("mean"), clip_folder(".a")
    ('a b.wav', '%2E.%2Fa.wav', '%6Dean', '%2Ea')
    """
    hidden = clip.startswith(".") or clip == MEAN
    name = "".join(
        f"%{ord(character):02X}" if character in "/\\%\0" or (hidden and place == 0) else character
        for place, character in enumerate(clip)
    )
    if len(name.encode(errors="replace")) > LONGEST_NAME:
        name = f"{name[: LONGEST_NAME // 4]}%~{hashlib.sha256(clip.encode(errors='replace')).hexdigest()[:16]}"
    return name or "%"


def clip_name(folder: str) -> str:
    """The clip whose folder it is."""
    return "" if folder == "%" else unquote(folder)
