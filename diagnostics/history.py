"""The rows of a run under way, kept in memory for detectors."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from .errors import unknown

MOST = 2000
"""Rows that are kept; 3 MB at the standard level for 60 parameters and 80 classes."""

MOST_BYTES = 2**23
"""Of the lists of all rows that are kept; fewer rows of larger ones."""

FEWEST = 200
"""Rows that are kept of any size: detectors look back at most so far."""

LONGEST = 2048
"""Entries of a list that is kept: by class, a vocabulary would be more."""

READ = (
    *("gradient_norm", "weight_norm", "update_ratio", "lwlrap", "positives"),
    *("attention_entropy", "attention_peak", "attention_sum", "hidden_gradient"),
    *("class_lwlrap", "class_positives"),
)
"""Lists that detectors read; those of further maps and RNNs begin so."""

COORDINATES = ("iteration", "epoch", "wall_time")
"""The row's own, which are no signals."""


class History:
    """What was recorded so far, as detectors read it (`recorded.Signals`); older rows are thinned, the newest are
    whole.

    info : gives what is known besides the rows, as run.json has it
    status : running, or how it ended
    """

    def __init__(self, info: Callable[[], Mapping[str, Any]]) -> None:
        self._info = info
        self.status = "running"
        self._rows: list[Mapping[str, Any]] = []
        self._evaluations: list[Mapping[str, Any]] = []
        self._events: list[dict[str, Any]] = []

    def __len__(self) -> int:
        return len(self._rows)

    def see(self, row: Mapping[str, Any]) -> None:
        """Keep a row."""
        kept = _slim(row)
        self._rows.append(kept)
        size = sum(value.nbytes for value in kept.values() if isinstance(value, np.ndarray))
        most = min(MOST, max(FEWEST, MOST_BYTES // max(size, 1)))
        if len(self._rows) > most:
            half = most // 2
            self._rows = self._rows[:half:2] + self._rows[half:]

    def see_evaluation(self, row: Mapping[str, Any]) -> None:
        """Keep an evaluation's row."""
        self._evaluations.append(_slim(row))

    def see_event(self, kind: str, iteration: int, **details: Any) -> None:
        """Keep an event."""
        self._events.append({"kind": kind, "iteration": iteration, **details})

    @property
    def info(self) -> Mapping[str, Any]:
        """What is known besides the rows."""
        return self._info()

    @property
    def parameters(self) -> Sequence[str]:
        """Names of the recorded parameters."""
        return self.info.get("parameters") or []

    @property
    def parts(self) -> Mapping[str, str]:
        """Part of the network by parameter."""
        return dict(zip(self.parameters, self.info.get("parameter_parts") or [], strict=False))

    @property
    def classes(self) -> Sequence[str]:
        """Class names."""
        return self.info.get("classes") or []

    @property
    def scalars(self) -> pd.DataFrame:
        """Iteration x scalar signal."""
        return _scalars(self._rows)

    def by_parameter(self, column: str) -> pd.DataFrame:
        """Iteration x parameter."""
        return self._lists(self._rows, column)

    def by_class(self, column: str) -> pd.DataFrame:
        """Iteration x class."""
        return self._lists(self._rows, column)

    def hidden_gradients(self, rnn: str, *, direct: bool = False) -> pd.DataFrame:
        """Iteration x frame bin."""
        return self._lists(self._rows, f"hidden_gradient_direct.{rnn}" if direct else f"hidden_gradient.{rnn}")

    @property
    def evaluation_scalars(self) -> pd.DataFrame:
        """Iteration x scalar of the evaluations."""
        return _scalars(self._evaluations)

    @property
    def evaluation_lwlrap(self) -> pd.DataFrame:
        """Iteration x class."""
        return self._lists(self._evaluations, "class_lwlrap")

    @property
    def evaluation_positives(self) -> pd.DataFrame:
        """Iteration x class."""
        return self._lists(self._evaluations, "class_positives")

    @property
    def ablations(self) -> pd.DataFrame:
        """Iteration x share of the score that a part carries."""
        table = self.evaluation_scalars
        return table.loc[:, [str(name).startswith("ablation.") for name in table]]

    def events(self) -> list[dict[str, Any]]:
        """What happened, in order."""
        return self._events

    def _lists(self, rows: Sequence[Mapping[str, Any]], column: str) -> pd.DataFrame:
        lists = {row["iteration"]: row[column] for row in rows if column in row}
        if not lists:
            raise unknown("column", column, _names(rows), "the run under way")
        width = max(len(values) for values in lists.values())
        table = np.full((len(rows), width), np.nan, dtype=np.float32)
        for place, row in enumerate(rows):
            if column in row:
                table[place, : len(row[column])] = row[column]
        return pd.DataFrame(table, index=_index(rows))


def _slim(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row without what no detector reads."""
    return {
        name: value
        for name, value in row.items()
        if np.ndim(value) == 0 or (name.partition(".")[0] in READ and np.size(value) <= LONGEST)
    }


def _scalars(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    newest = {name: value for row in (*rows[:1], *rows[-1:]) for name, value in row.items()}
    names = [name for name in _names(rows) if np.ndim(newest[name]) == 0 and name not in COORDINATES]
    return pd.DataFrame({name: [row.get(name, np.nan) for row in rows] for name in names}, index=_index(rows))


def _names(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    return list(dict.fromkeys(name for row in (*rows[-1:], *rows[:1]) for name in row))


def _index(rows: Sequence[Mapping[str, Any]]) -> pd.Index:
    return pd.Index([row["iteration"] for row in rows], name="iteration")
