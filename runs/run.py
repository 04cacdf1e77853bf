"""A run log read back; needs no torch."""

import json
import os
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from ..diagnostics.ablation_shares import is_ablation_column
from ..diagnostics.errors import RunError, UnknownNameError, unknown
from .ablations import ablations_of
from .addresses import LOGS, find_run
from .columns import matrix, widest
from .map_log import MEAN, clip_folder, clip_name
from .maps import MapReader
from .places import absolute, is_remote, place
from .reading import SegmentReader, is_numeric
from .run_folder import read_info
from .store_lock import is_locked
from .window import POINTS, WindowReader
from .window_table import window_table

BY_PARAMETER = ("gradient_norm", "weight_norm", "update_ratio")
BY_GATE = tuple(f"gate_{name}" for name in BY_PARAMETER)
BY_CLASS = (
    *("lwlrap", "running_lwlrap", "positives"),
    *("attention_entropy", "attention_peak", "attention_sum", "attention_drift"),
)
"""List columns by what their entries are; columns of a second map begin as the first's do."""

EVALUATION_COLUMNS = ("lwlrap", "lrap", "loss", "chance", "constant")

ASKED_S = 2.0
"""Seconds for which what a store said of run.json stands: nearly everything asks for it, and each time is a request."""

PARAMETER_COLUMNS = ("gradient_norm", "weight_norm", "update_ratio")


class Run:
    """One recorded run. Tables are read when asked for; asking again on a live run reads only what is new.

    address : a folder, an address that fsspec knows (`s3://bucket/logs/mine`), or a name under `logs`
    Raises RunError if there is no run or a newer Flatline wrote it, StoreError (one too) where a store cannot be used.
    """

    def __init__(self, address: str | os.PathLike[str], logs: str | os.PathLike[str] = LOGS) -> None:
        self.path = absolute(find_run(address, place(logs)))
        self._iterations = SegmentReader(self.path / "iterations", self.path / "tail" / "iterations")
        self._evaluations = SegmentReader(self.path / "evaluations", self.path / "tail" / "evaluations")
        self._window = WindowReader(self._iterations, self.path / "pyramid")
        self._info: tuple[Any, dict[str, Any]] | None = None
        self.info  # noqa: B018  (a log that cannot be read is refused here, not at the first table)

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r}, {self.status}, {len(self)} iterations)"

    def __len__(self) -> int:
        last = self.last_iteration
        return 0 if last is None else last + 1

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.path.name

    @property
    def info(self) -> dict[str, Any]:
        """run.json as it is now."""
        mark = self._mark()
        if self._info is None or mark is None or self._info[0] != mark:
            self._info = (mark, read_info(self.path))
        return self._info[1]

    @property
    def status(self) -> str:
        """running, finished, interrupted or failed; a run whose process died without a word is interrupted."""
        status = self.info.get("status", "running")
        if status != "running" or is_locked(self.path):
            return status
        again = read_info(self.path).get("status", "running")  # it may have closed between the two looks
        return "interrupted" if again == "running" else again

    @property
    def recipe(self) -> dict[str, Any]:
        """The recipe it was trained by; empty for a loop of the user's own."""
        return self.info.get("recipe") or {}

    @property
    def parameters(self) -> list[str]:
        """Names of the recorded parameters, in data-flow order as the model registers them."""
        return self.info.get("parameters", [])

    @property
    def parts(self) -> dict[str, str]:
        """Part of the network (conv, rnn, head, attention, other) of each parameter."""
        return dict(zip(self.parameters, self.info.get("parameter_parts", []), strict=False))

    @property
    def classes(self) -> list[str]:
        """Class names, in the order of the scores."""
        return self.info.get("classes", [])

    @property
    def gates(self) -> list[str]:
        """Names of the gates of recurrent parameters, such as `gru.weight_hh_l0/z`."""
        return self.info.get("gates", [])

    @property
    def last_iteration(self) -> int | None:
        """The newest recorded iteration; None before the first flush."""
        return self._iterations.last_iteration()

    @property
    def gradient_norms(self) -> pd.DataFrame:
        """L2 norm of the gradient as the optimiser saw it: iteration x parameter; NaN where there was none."""
        return self.by_parameter("gradient_norm")

    @property
    def lwlrap(self) -> pd.DataFrame:
        """Per-class lwlrap of the batch: iteration x class; NaN where a class had no positive clip."""
        return self.by_class("lwlrap")

    def by_parameter(self, column: str) -> pd.DataFrame:
        """Iteration x parameter of a list column (`gradient_norm`, `weight_norm`, `update_ratio`).

        Raises UnknownNameError for any other name.
        """
        self._check(column, BY_PARAMETER, "by parameter")
        return self._lists(self._iterations, column, self.parameters)

    def by_class(self, column: str) -> pd.DataFrame:
        """Iteration x class of a list column (`lwlrap`, `running_lwlrap`, `positives`, `attention_entropy` ...).

        Of a map that is not over classes, such as a MultiheadAttention's, iteration x number of the map's column.
        Raises UnknownNameError for a name that is not by class.
        """
        self._check(column, BY_CLASS, "by class")
        width = self._width(column)
        return self._lists(self._iterations, column, self.classes if width <= len(self.classes) else range(width))

    def by_gate(self, column: str) -> pd.DataFrame:
        """Iteration x gate of a list column (`gate_gradient_norm`, `gate_weight_norm`, `gate_update_ratio`).

        Raises UnknownNameError for any other name.
        """
        self._check(column, BY_GATE, "by gate")
        return self._lists(self._iterations, column, self.gates)

    def gate_openness(self, rnn: str) -> pd.DataFrame:
        """Evaluation x gate of one RNN: mean openness on the pinned clips, 0 shut, 1 open (level deep).

        Raises UnknownNameError for an RNN whose gates were not looked at.
        """
        gates = self.info.get("open_gates") or {}
        if rnn not in gates:
            raise unknown("gated RNN", str(rnn), gates, f"run {self.name}")
        return self._lists(self._evaluations, f"gate_openness.{rnn}", gates[rnn])

    @property
    def scalars(self) -> pd.DataFrame:
        """Iteration x scalar signal."""
        return self._scalars(self._iterations)

    def series(self, name: str) -> pd.Series:
        """One scalar signal by iteration; `epoch` and `wall_time` too.

        Raises UnknownNameError listing the known ones.
        """
        names = self._iterations.schema().names
        known = self._iterations.scalar_names() + [name for name in ("epoch", "wall_time") if name in names]
        if name not in known:
            kinds = {"by_parameter": BY_PARAMETER, "by_gate": BY_GATE, "by_class": BY_CLASS}
            for method, columns in kinds.items():
                if name in columns:
                    raise UnknownNameError(
                        f"{name!r} is no single number (run {self.name}); use run.{method}({name!r})"
                    )
            raise unknown("signal", name, known, f"run {self.name}")
        return self._iterations.table([name]).to_pandas().set_index("iteration")[name]

    def window(
        self,
        columns: str | Sequence[str],
        first: int | None = None,
        last: int | None = None,
        points: int = POINTS,
    ) -> pd.DataFrame:
        """Scalar and list columns of a stretch of the run in few rows, with the extremes of all that each stands for.

        Every row as it was recorded where at most `points` iterations are asked for. Otherwise bins of iterations, of
        one width, indexed by their first: the lowest, highest and mean recorded value, and how many there are; all NaN,
        and 0, where nothing was recorded. The newest iterations of a live run are among them. Costs the same for any
        length of a run that has a pyramid.

        first, last : iterations, both included; None is the run's own
        points : rows, at most
        Returns columns (statistic, column, entry), so that `window["min"]["gradient_norm"]` is bin x parameter and
        `window["max"]["loss"]` a series; `.attrs["width"]` is the iterations in a bin, 1 for rows.
        Raises UnknownNameError for a column that the run has not.
        """
        asked = [columns] if isinstance(columns, str) else list(columns)
        known = {field.name: field.type for field in self._iterations.schema() if is_numeric(field)}
        for name in asked or [""]:
            if name not in known:
                raise unknown("column", name, list(known), f"run {self.name}")
        found = self._window.read(asked, first, last, points)
        entries = {name: self._entries(name) if pa.types.is_list(known[name]) else None for name in asked}
        return window_table(found, entries)

    @property
    def columns(self) -> list[str]:
        """Names of the recorded columns of the iterations that hold numbers, scalar and list."""
        return [field.name for field in self._iterations.schema() if is_numeric(field)]

    def entries(self, column: str) -> list[Any]:
        """What the entries of a list column of the iterations are of: parameters, classes, gates, or their numbers."""
        names, width = self._entries(column), self._width(column)
        return list(names) if names and len(names) >= width else list(range(width))

    def _entries(self, column: str) -> Sequence[Any]:
        """Names of a list column's entries; empty where they have only numbers."""
        if column in PARAMETER_COLUMNS:
            return self.parameters
        if column.startswith("gate_"):
            return self.gates
        return [] if column.startswith("hidden_gradient") else self.classes

    @property
    def evaluations(self) -> pd.DataFrame:
        """Iteration x (lwlrap, lrap, loss, chance, constant)."""
        table = self._evaluations.table(EVALUATION_COLUMNS).to_pandas().set_index("iteration")
        return table.astype(float)

    @property
    def evaluation_iterations(self) -> np.ndarray:
        """Iterations at which there was an evaluation, ascending: (evaluation,) int64."""
        return self._evaluations.table([]).column("iteration").to_numpy()

    @property
    def evaluation_scalars(self) -> pd.DataFrame:
        """Iteration x every scalar of an evaluation (with the share of tied scores and more)."""
        return self._scalars(self._evaluations)

    @property
    def ablations(self) -> pd.DataFrame:
        """Iteration x share of the score that a part carries (`ablation.rnn.gru`, `.low`, `.high`, `.score` ...).

        Those of the evaluations and those that `flatline ablate` added; of two at one iteration the newer counts.
        """
        names = [name for name in self._evaluations.scalar_names() if is_ablation_column(name)]
        table = self._evaluations.table([*names, "wall_time"]).to_pandas().set_index("iteration")
        return ablations_of(self.path, table)

    @property
    def evaluation_lwlrap(self) -> pd.DataFrame:
        """Per-class lwlrap of each evaluation: iteration x class."""
        return self._lists(self._evaluations, "class_lwlrap", self.classes)

    @property
    def evaluation_positives(self) -> pd.DataFrame:
        """Clips with each class that an evaluation had: iteration x class."""
        return self._lists(self._evaluations, "class_positives", self.classes)

    @property
    def evaluation_top(self) -> pd.DataFrame:
        """Share of an evaluation's clips on which each class has the highest score: iteration x class.

        Ties share a clip, and a clip whose scores are all equal counts for no class; NaN where it was not recorded (by
        an older Flatline, or since scores were NaN).
        """
        return self._lists(self._evaluations, "class_top", self.classes)

    @property
    def map_names(self) -> list[str]:
        """Names of the recorded maps."""
        return list(self.info.get("maps", {}))

    def attention(self, iteration: int, map: str | None = None, clip: str | None = None) -> np.ndarray:
        """One map (frame, class): the batch's mean at an iteration, or a pinned clip's.

        map : which map; None is the first the model announced
        Raises UnknownNameError for an unknown map or clip; RunError for an iteration without one, naming the nearest.
        """
        if not self.map_names:
            raise RunError(
                f"run {self.name} recorded no maps; name the modules that give them with Recorder(attention=)"
            )
        chosen = self.map_names[0] if map is None else map
        if chosen not in self.map_names:
            raise unknown("map", chosen, self.map_names, f"run {self.name}")
        return self._maps(clip).read(iteration, chosen)

    def map_iterations(self, clip: str | None = None, map: str | None = None) -> np.ndarray:
        """Iterations that hold maps, ascending; `map` is which, None any."""
        return self._maps(clip).iterations(map)

    def hidden_gradients(self, rnn: str, *, direct: bool = False) -> pd.DataFrame:
        """Norm of dL/dh_t by iteration x frame bin of one RNN, recurrence included; NaN where it was not replayed.

        rnn : path of its module; one layer and direction of several is `gru.l0`, `gru.l0_reverse` ...
        direct : the term by way of each frame's output alone, which every iteration has
        Raises RunError if the run did not record it, naming those that it did.
        """
        kind = "hidden_gradient_direct." if direct else "hidden_gradient."
        names = self._iterations.schema().names
        if kind + rnn not in names:
            recorded = ", ".join(name.removeprefix(kind) for name in names if name.startswith(kind)) or "none"
            raise RunError(f"run {self.name} did not record the hidden gradient of {rnn!r}; recorded: {recorded}")
        return self._lists(self._iterations, kind + rnn, range(self._width(kind + rnn)))

    def _check(self, column: str, known: tuple[str, ...], kind: str) -> None:
        names = [name for name in self._iterations.schema().names if name.partition(".")[0] in known]
        if column not in (*known, *names):
            raise unknown(f"signal {kind}", column, {*known, *names}, f"run {self.name}")

    def _width(self, column: str) -> int:
        """Length of a list column's longest list."""
        values = self._iterations.table([column]).column(column)
        return widest(values) if pa.types.is_list(values.type) else 0

    def events(self) -> list[dict[str, Any]]:
        """What happened, in order: skipped steps, findings, gaps."""
        try:
            content = (self.path / "events.jsonl").read_bytes()
        except FileNotFoundError:
            return []
        *lines, _ = content.split(b"\n")  # the last line is being written, or was when the writer was killed
        return [event for event in map(_event, lines) if event is not None]

    def _mark(self) -> Any:
        """What tells run.json from a later one; None where it cannot be seen."""
        path = self.path / "run.json"
        if is_remote(path):
            return int(time.monotonic() / ASKED_S)
        try:
            stat = os.stat(path)
        except OSError:
            return None
        return stat.st_ino, stat.st_mtime_ns, stat.st_size

    def _maps(self, clip: str | None) -> MapReader:
        folder = MEAN if clip is None else clip_folder(clip)
        if clip is not None and not (self.path / "maps" / folder).is_dir():
            clips = [clip_name(path.name) for path in (self.path / "maps").glob("*") if path.name != MEAN]
            raise unknown("pinned clip", clip, clips, f"maps of run {self.name}")
        return MapReader(self.path / "maps" / folder, self.path / "tail" / f"maps-{folder}")

    def _scalars(self, reader: SegmentReader) -> pd.DataFrame:
        return reader.table(reader.scalar_names()).to_pandas().set_index("iteration")

    def _lists(self, reader: SegmentReader, column: str, labels: Sequence[Any]) -> pd.DataFrame:
        labels = list(labels)
        table = reader.table([column])
        index = pd.Index(table.column("iteration").to_numpy(), name="iteration")
        if not pa.types.is_list(table.column(column).type):
            return pd.DataFrame(np.nan, index=index, columns=labels, dtype=np.float32)
        return pd.DataFrame(matrix(table.column(column), len(labels)), index=index, columns=labels, copy=False)


def _event(line: bytes) -> dict[str, Any] | None:
    """An event; None for a line that a killed writer left half."""
    try:
        return json.loads(line)
    except ValueError:
        return None
