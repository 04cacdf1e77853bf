"""Maps of a run read back, one or many at a time."""

from pathlib import Path
from typing import Any

import numpy as np

from ..diagnostics.errors import RunError
from ..diagnostics.maps import decode_map
from .map_log import MEAN, clip_folder
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

    def read_many(self, iterations: np.ndarray, name: str) -> dict[int, np.ndarray]:
        """Maps (frame, class) by iteration, ascending; one that holds no such map is left out.

        A file is opened once, and its row groups are read one by one, for all that are asked for.
        """
        columns = [f"{name}.{part}" for part in PARTS]
        for _ in range(ATTEMPTS):
            found: dict[int, np.ndarray] = {}
            try:
                for segment in self._reader.segments():
                    wanted = iterations[(iterations >= segment.first) & (iterations <= segment.last)]
                    if wanted.size:
                        with open_segment(segment.path) as file:
                            found |= _maps_in(file, wanted, columns)
            except FileNotFoundError:  # sealed between the listing and the read
                continue
            return found
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


def reader_of(run: Path, clip: str | None) -> MapReader:
    """The maps of a run's pinned clip, or of the batches' mean; it holds none where there are none."""
    folder = MEAN if clip is None else clip_folder(clip)
    return MapReader(run / "maps" / folder, run / "tail" / f"maps-{folder}")


def _maps_in(file: Any, wanted: np.ndarray, columns: list[str]) -> dict[int, np.ndarray]:
    """Maps of one file by iteration, the last of several at one."""
    found: dict[int, np.ndarray] = {}
    if not set(columns) <= set(file.schema_arrow.names):
        return found
    place = file.schema_arrow.names.index("iteration")
    for group in range(file.num_row_groups):
        bounds = file.metadata.row_group(group).column(place).statistics
        if bounds is not None and not ((wanted >= bounds.min) & (wanted <= bounds.max)).any():
            continue
        table = file.read_row_group(group, columns=["iteration", *columns], use_threads=False)
        iterations = table.column("iteration").to_numpy()
        for row in np.flatnonzero(np.isin(iterations, wanted)).tolist():
            frames, classes, low, high, values = (table.column(column)[row].as_py() for column in columns)
            if frames is not None and frames == frames:  # NaN where another map was recorded alone
                shape = int(frames), int(classes)
                found[int(iterations[row])] = decode_map(*shape, np.array(low, "f4"), np.array(high, "f4"), values)
    return found


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
