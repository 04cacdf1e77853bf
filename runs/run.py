"""A run log read back; needs no torch."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from ..diagnostics.errors import RunError, unknown
from .columns import matrix
from .log import SCHEMA_VERSION, is_locked
from .maps import MapReader
from .reading import SegmentReader

LOGS = Path("logs")

EVALUATION_COLUMNS = ("lwlrap", "lrap", "loss", "chance", "constant")


def find_run(address: str | os.PathLike[str], logs: Path = LOGS) -> Path:
    """The folder of a run given by path or by a name under `logs`.

    Raises RunError naming what was looked for and the runs there are.
    """
    for path in (Path(address), logs / address):
        if (path / "run.json").is_file():
            return path
    names = sorted(path.parent.name for path in logs.glob("*/run.json"))
    there = f"runs under {logs}: {', '.join(names)}" if names else f"there are no runs under {logs} yet"
    raise RunError(f"no run at {address} nor {logs / address} (a run is a folder with a run.json); {there}")


class Run:
    """One recorded run. Tables are read when asked for; asking again on a live run reads only what is new.

    address : a folder, or a name under `logs`
    Raises RunError if there is no run or a newer Flatline wrote it.
    """

    def __init__(self, address: str | os.PathLike[str], logs: str | os.PathLike[str] = LOGS) -> None:
        self.path = find_run(address, Path(logs))
        self._iterations = SegmentReader(self.path / "iterations", self.path / "tail" / "iterations")
        self._evaluations = SegmentReader(self.path / "evaluations", self.path / "tail" / "evaluations")
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
        try:
            info = json.loads((self.path / "run.json").read_text(encoding="utf-8"))
        except (OSError, json.JSONDecodeError) as error:
            raise RunError(
                f"{self.path / 'run.json'} cannot be read ({error}); the run's tables may still be whole, in iterations/"
            ) from error
        if info.get("schema_version", 0) > SCHEMA_VERSION:
            raise RunError(
                f"{self.path} has schema version {info['schema_version']}, this Flatline reads up to {SCHEMA_VERSION}; upgrade flatline"
            )
        return info

    @property
    def status(self) -> str:
        """running, finished, interrupted or failed; a run whose process died without a word is interrupted."""
        status = self.info.get("status", "running")
        return "interrupted" if status == "running" and not is_locked(self.path) else status

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
        """Iteration x parameter of a list column (`gradient_norm`, `weight_norm`, `update_ratio`)."""
        return self._lists(self._iterations, column, self.parameters)

    def by_class(self, column: str) -> pd.DataFrame:
        """Iteration x class of a list column (`lwlrap`, `positives`, `attention_entropy`, `attention_peak`)."""
        return self._lists(self._iterations, column, self.classes)

    @property
    def scalars(self) -> pd.DataFrame:
        """Iteration x scalar signal."""
        return self._scalars(self._iterations)

    def series(self, name: str) -> pd.Series:
        """One scalar signal by iteration.

        Raises UnknownNameError listing the known ones.
        """
        known = self._iterations.scalar_names()
        if name not in known:
            raise unknown("signal", name, known, f"run {self.name}")
        return self._iterations.table([name]).to_pandas().set_index("iteration")[name]

    @property
    def evaluations(self) -> pd.DataFrame:
        """Iteration x (lwlrap, lrap, loss, chance, constant)."""
        table = self._evaluations.table(EVALUATION_COLUMNS).to_pandas().set_index("iteration")
        return table.astype(float)

    @property
    def evaluation_scalars(self) -> pd.DataFrame:
        """Iteration x every scalar of an evaluation (with the share of tied scores and more)."""
        return self._scalars(self._evaluations)

    @property
    def evaluation_lwlrap(self) -> pd.DataFrame:
        """Per-class lwlrap of each evaluation: iteration x class."""
        return self._lists(self._evaluations, "class_lwlrap", self.classes)

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

    def map_iterations(self, clip: str | None = None) -> np.ndarray:
        """Iterations that hold maps, ascending."""
        return self._maps(clip).iterations()

    def hidden_gradients(self, rnn: str) -> pd.DataFrame:
        """Norm of dL/dh by iteration x frame bin of one RNN.

        Raises RunError if the run did not record it.
        """
        column = f"hidden_gradient.{rnn}"
        if column not in self._iterations.schema().names:
            raise RunError(f"run {self.name} did not record the hidden gradient of {rnn!r}")
        table = self._iterations.table([column])
        width = max((len(value) for value in table.column(column).to_pylist() if value), default=0)
        return self._lists(self._iterations, column, list(range(width)))

    def events(self) -> list[dict[str, Any]]:
        """What happened, in order: skipped steps, findings, gaps."""
        path = self.path / "events.jsonl"
        if not path.exists():
            return []
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        return [json.loads(line) for line in lines if line.endswith("\n")]

    def _maps(self, clip: str | None) -> MapReader:
        if clip is None:
            return MapReader(self.path / "maps" / "mean", self.path / "tail" / "maps")
        if clip == "mean" or not (self.path / "maps" / clip).is_dir():
            clips = [path.name for path in (self.path / "maps").glob("*") if path.name != "mean"]
            raise unknown("pinned clip", clip, clips, f"maps of run {self.name}")
        return MapReader(self.path / "maps" / clip, self.path / "tail" / f"maps-{clip}")

    def _scalars(self, reader: SegmentReader) -> pd.DataFrame:
        return reader.table(reader.scalar_names()).to_pandas().set_index("iteration")

    def _lists(self, reader: SegmentReader, column: str, labels: list[Any]) -> pd.DataFrame:
        table = reader.table([column])
        index = pd.Index(table.column("iteration").to_numpy(), name="iteration")
        if not pa.types.is_list(table.column(column).type):
            return pd.DataFrame(np.nan, index=index, columns=labels, dtype=np.float32)
        return pd.DataFrame(matrix(table.column(column), len(labels)), index=index, columns=labels)
