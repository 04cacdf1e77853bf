"""Maps of a run read back, one at a time."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from ..diagnostics.errors import RunError
from ..diagnostics.maps import decode_map
from .reading import SegmentReader

PARTS = ("frames", "classes", "low", "high", "values")


class MapReader:
    """The maps in one folder; a file is opened only for the iteration that is asked for."""

    def __init__(self, sealed: Path, tail: Path) -> None:
        self.sealed = sealed
        self._reader = SegmentReader(sealed, tail)

    def iterations(self) -> np.ndarray:
        """Iterations that hold a map, ascending."""
        return self._reader.table([]).column("iteration").to_numpy()

    def read(self, iteration: int, name: str) -> np.ndarray:
        """(frame, class) float32.

        Raises RunError where nothing was recorded, naming the nearest iteration that has a map.
        """
        recorded = self.iterations()
        if iteration not in recorded:
            raise RunError(f"iteration {iteration} holds no map in {self.sealed}; {_nearest(recorded, iteration)}")
        columns = [f"{name}.{part}" for part in PARTS]
        for path in self._reader.files_holding(iteration):
            row = pq.read_table(path, columns=columns, filters=[("iteration", "=", iteration)])
            if row.num_rows:
                frames, classes, low, high, values = (row.column(column)[0].as_py() for column in columns)
                return decode_map(int(frames), int(classes), np.array(low, "f4"), np.array(high, "f4"), values)
        raise RunError(f"{self.sealed} changed while iteration {iteration} was read; read it again")


def _nearest(recorded: np.ndarray, iteration: int) -> str:
    if not recorded.size:
        return "no map has been recorded yet"
    return f"the nearest is {recorded[np.abs(recorded - iteration).argmin()]}"
