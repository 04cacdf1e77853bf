from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from .errors import DataError, Problem

SplitName = Literal["curated", "noisy", "test"]


@dataclass(frozen=True)
class Clip:
    """One recording and its labels.

    labels     : class names, in the order of the CSV; empty where the clip has none
    source_csv : the CSV that names the clip, None for a clip of an unlabelled test folder
    row        : its line there, as an editor shows it
    """

    fname: str
    path: Path
    labels: tuple[str, ...]
    split: SplitName
    source_csv: Path | None = None
    row: int | None = None


@dataclass(frozen=True)
class ClipSet:
    """The clips of one data root, with their classes.

    layout         : "kaggle" or "zenodo"
    classes        : class names; their order is the order of every target and score
    problems       : rows that were left out of `clips`, and why
    sample_rate_hz : of the first clip that can be opened; None where none can
    notes          : what is worth knowing but in nobody's way
    """

    root: Path
    layout: str
    classes: tuple[str, ...]
    clips: tuple[Clip, ...]
    problems: tuple[Problem, ...]
    sample_rate_hz: int | None
    notes: tuple[Problem, ...] = ()

    def __len__(self) -> int:
        return len(self.clips)

    def split(self, *names: SplitName) -> np.ndarray:
        """Indices of the clips of the named splits, in the order of `clips`.

        Returns (clip,) int64.
        Raises DataError for a name that is no split.
        """
        for name in names:
            if name not in get_args(SplitName):
                raise DataError(f"no split is called {name!r} (ClipSet.split); use {', '.join(get_args(SplitName))}")
        return np.array([i for i, clip in enumerate(self.clips) if clip.split in names], dtype=np.int64)

    def targets(self, indices: Sequence[int] | np.ndarray | None = None) -> np.ndarray:
        """Multi-hot labels of the clips, of all where `indices` is None.

        Returns (clip, class) float32, 1 where the clip has the label; zeros for a clip without labels.
        """
        chosen = range(len(self.clips)) if indices is None else indices
        column = {name: i for i, name in enumerate(self.classes)}
        targets = np.zeros((len(chosen), len(self.classes)), dtype=np.float32)  # (clip, class)
        for row, index in enumerate(chosen):
            targets[row, [column[label] for label in self.clips[index].labels]] = 1
        return targets

    @property
    def has_labelled_test(self) -> bool:
        """Whether there is a test split with labels, to be evaluated on."""
        return any(clip.split == "test" and clip.labels for clip in self.clips)
