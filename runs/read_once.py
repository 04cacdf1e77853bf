"""A run that is read from one end to the other: 100,000 iterations of all lists are half a gigabyte."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from .addresses import LOGS
from .columns import matrix, widest
from .reading import SegmentReader
from .run import Run


class ReadOnce(Run):
    """A run whose lists go from each file to their place in the table and are not kept; its files stay open.

    A quarter of the time that `Run` takes for a long run, which keeps all it reads for whoever asks again.
    """

    def __init__(self, address: str | os.PathLike[str], logs: str | os.PathLike[str] = LOGS) -> None:
        super().__init__(address, logs)
        self._opened: dict[Path, pq.ParquetFile] = {}

    def _lists(self, reader: SegmentReader, column: str, labels: Sequence[Any]) -> pd.DataFrame:
        index = reader.table([]).column("iteration").to_numpy()
        values = np.empty((len(index), len(labels)), dtype=np.float32)
        try:
            rows = self._fill(values, reader, column)
        except (OSError, ValueError):
            rows = -1
        if rows != len(index):  # a file was sealed meanwhile, or cannot be read: `Run` looks again, and says which
            return super()._lists(reader, column, labels)
        return pd.DataFrame(values, pd.Index(index, name="iteration"), list(labels), copy=False)

    def _fill(self, values: np.ndarray, reader: SegmentReader, column: str) -> int:
        """Put a column where it belongs; how many rows the files have."""
        row = 0
        for rows, part in reader.parts(column, self._opened):
            place = values[row : row + rows]
            if part is not None and pa.types.is_list(part.type):
                matrix(part, values.shape[1], place)
            else:
                place[:] = np.nan
            row += rows
        return row

    def _width(self, column: str) -> int:
        """Length of the lists of the newest file: every file has lists of one length."""
        try:
            parts = [part for _, part in self._iterations.parts(column, self._opened, newest=True) if part is not None]
        except (OSError, ValueError):
            parts = []
        return max((widest(part) for part in parts if pa.types.is_list(part.type)), default=0) or super()._width(column)
