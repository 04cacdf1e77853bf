"""Maps of a run read back, one at a time."""

from pathlib import Path
from typing import Any

import numpy as np

from ..diagnostics.errors import RunError
from ..diagnostics.maps import decode_map
from .reading import ATTEMPTS, SegmentReader
from .segments import open_segment

PARTS = ("frames", "classes", "low", "high", "values")


class MapReader:
    """The maps in one folder; a row group is read only for the iteration that is asked for."""

    def __init__(self, sealed: Path, tail: Path) -> None:
        self.sealed = sealed
        self._reader = SegmentReader(sealed, tail)

    def iterations(self, name: str | None = None) -> np.ndarray:
        """Iterations that hold a map, ascending; `name` is which map, None any."""
        column = f"{name}.frames"
        table = self._reader.table([] if name is None else [column])
        iterations = table.column("iteration").to_numpy()
        if name is None:
            return iterations
        frames = table.column(column).to_numpy()
        return iterations[~np.isnan(frames.astype(np.float32))]

    def read(self, iteration: int, name: str) -> np.ndarray:
        """(frame, class) float32; the last of several recorded at one iteration.

        Raises RunError where nothing was recorded, naming the nearest iteration that has a map.
        """
        columns = [f"{name}.{part}" for part in PARTS]
        for _ in range(ATTEMPTS):
            recorded = self.iterations(name)
            if iteration not in recorded:
                raise RunError(
                    f"iteration {iteration} holds no map {name!r} in {self.sealed}; {_nearest(recorded, iteration)}"
                )
            try:
                frames, classes, low, high, values = self._row(iteration, columns)
            except FileNotFoundError:  # sealed between the listing and the read
                continue
            return decode_map(int(frames), int(classes), np.array(low, "f4"), np.array(high, "f4"), values)
        raise RunError(f"{self.sealed} changed under every one of {ATTEMPTS} reads; read it again")

    def _row(self, iteration: int, columns: list[str]) -> list[Any]:
        """The columns' values in the last row of an iteration; raises FileNotFoundError if it moved meanwhile."""
        for segment in reversed(self._reader.segments()):
            if segment.first <= iteration <= segment.last:
                with open_segment(segment.path) as file:
                    row = _last_row(file, iteration, columns)
                if row is not None:
                    return row
        raise FileNotFoundError(self.sealed)


def _last_row(file: Any, iteration: int, columns: list[str]) -> list[Any] | None:
    if not set(columns) <= set(file.schema_arrow.names):
        return None
    place = file.schema_arrow.names.index("iteration")
    for group in reversed(range(file.num_row_groups)):
        bounds = file.metadata.row_group(group).column(place).statistics
        if bounds is not None and not bounds.min <= iteration <= bounds.max:
            continue
        table = file.read_row_group(group, columns=["iteration", *columns], use_threads=False)
        rows = np.flatnonzero(table.column("iteration").to_numpy() == iteration)
        for row in rows[::-1].tolist():
            values = [table.column(column)[row].as_py() for column in columns]
            if values[0] == values[0]:  # frames is NaN where another map was recorded alone
                return values
    return None


def _nearest(recorded: np.ndarray, iteration: int) -> str:
    if not recorded.size:
        return "no such map has been recorded yet"
    return f"the nearest is {recorded[np.abs(recorded - iteration).argmin()]}"
