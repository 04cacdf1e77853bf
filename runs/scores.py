"""Scores of a run's evaluations for the table of all runs: the last ones and the best, from few bytes of each file."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from ..diagnostics.errors import RunError
from ..diagnostics.lwlrap import at_constant_level
from .reading import ATTEMPTS
from .segments import UNREADABLE, open_segment, segment_bounds, segment_files
from .store import StoreError

SCORES = ("lwlrap", "chance", "constant", "loss")
"""What the listing reads of an evaluation."""


def scores_of_run(path: Path) -> dict[str, Any]:
    """The last evaluation's scores and levels, and the best lwlrap of all; nothing before the first evaluation.

    Read are the last row group of the newest file and, of the others, what a file's end says of the largest value. A
    row that is just being sealed may come twice, which changes neither.
    Raises RunError for a file that cannot be read.
    """
    for _ in range(ATTEMPTS):
        tail = segment_files(path / "tail" / "evaluations")
        files = sorted(segment_files(path / "evaluations") + tail, key=lambda file: segment_bounds(file)[1])
        try:
            return _scores(files) if files else {}
        except FileNotFoundError:  # sealed between the listing and the read
            continue
    return {}


def _scores(files: list[Path]) -> dict[str, Any]:
    best = np.fmax.reduce([_best(file) for file in files])  # fmax: NaN only where nothing else is
    with _named(files[-1]), open_segment(files[-1]) as file:
        known = [name for name in SCORES if name in file.schema_arrow.names]
        rows = file.read_row_group(file.num_row_groups - 1, columns=known, use_threads=False)
    last = {name: math.nan for name in SCORES}
    last |= {name: rows.column(name)[-1].as_py() for name in known if rows.column(name)[-1].is_valid}
    level = at_constant_level(last["lwlrap"], last["chance"], last["constant"])
    return {**last, "best_lwlrap": float(best), "at_constant_level": level}


def _best(path: Path) -> float:
    """The highest lwlrap of a file; NaN where it holds none."""
    with _named(path), open_segment(path) as file:
        if "lwlrap" not in file.schema_arrow.names:
            return math.nan
        place = file.schema_arrow.names.index("lwlrap")
        groups = [file.metadata.row_group(group).column(place).statistics for group in range(file.num_row_groups)]
        if all(group is not None for group in groups):
            return max((group.max for group in groups if group.has_min_max), default=math.nan)
        values = file.read(columns=["lwlrap"], use_threads=False).column(0).to_numpy()
        return float(np.fmax.reduce(values.astype(np.float64), initial=np.nan))


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Says which file cannot be read."""
    try:
        yield
    except (FileNotFoundError, StoreError):
        raise
    except UNREADABLE as error:
        raise RunError(
            f"{path} cannot be read ({error}); move it out of its folder to read the rest of the run"
        ) from error
