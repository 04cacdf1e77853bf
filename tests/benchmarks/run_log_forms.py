"""What writing a run log costs, beside JSONL and TensorBoard events of the same rows; of the maps, too."""

import json
import statistics
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from flatline.runs.log import RunLog
from flatline.runs.run import Run
from run_log_rows import INFO, n_values, rows
from timing import Benchmark, Group, NotMeasured, Timed, cpu_seconds, turn_about

JSONL, EVENTS = "the run log's rows as JSONL", "the run log's rows as TensorBoard events"

WRITTEN = {"run log": 10_000, JSONL: 2000, EVENTS: 60}
"""Rows that are written in each form; enough that sealing and the pyramid are in it, few where each takes long."""

N_MAPS = 1000

ROWS = "rows of 60 parameters, 80 classes, 2 x 64 frame bins, 25 scalars"


@dataclass(frozen=True)
class Cost:
    """Median, lowest and highest of a figure in its unit."""

    unit: str
    figure: float
    lowest: float
    highest: float
    repetitions: int


def cost(unit: str, figures: Sequence[float]) -> Cost:
    """Of the repetitions."""
    return Cost(unit, statistics.median(figures), min(figures), max(figures), len(figures))


@contextmanager
def emptied() -> Iterator[Path]:
    """A folder that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="flatline-bench-") as folder:
        yield Path(folder)


@cache
def given(n: int) -> list[dict[str, Any]]:
    """The rows; made once."""
    return rows(n)


def to_run_log(folder: Path, given_rows: Sequence[dict[str, Any]]) -> None:
    """As the recorder does."""
    log = RunLog(folder / "run", INFO)
    for row in given_rows:
        log.append(row)
    log.close()


def to_jsonl(folder: Path, given_rows: Sequence[dict[str, Any]]) -> None:
    """A line a row; NaN is written as Python's json does, which saves a look at each value."""
    with (folder / "rows.jsonl").open("w") as file:
        for row in given_rows:
            plain = {name: value.tolist() if hasattr(value, "tolist") else value for name, value in row.items()}
            file.write(json.dumps(plain) + "\n")


def to_tensorboard(folder: Path, given_rows: Sequence[dict[str, Any]]) -> None:
    """A scalar a value, as loops write them."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise NotMeasured("not installed") from error
    with SummaryWriter(str(folder)) as writer:
        for row in given_rows:
            for name, value in row.items():
                for place, number in enumerate(np.ravel(value).tolist()):
                    writer.add_scalar(f"{name}/{place}", number, row["iteration"])


FORMS: dict[str, Callable[[Path, Sequence[dict[str, Any]]], None]] = {
    "run log": to_run_log,
    JSONL: to_jsonl,
    EVENTS: to_tensorboard,
}


def measure_writing(chosen: Sequence[Benchmark], repetitions: int) -> list[Cost | NotMeasured]:
    """CPU time and bytes a value in each form that is asked for."""
    found: dict[str, Cost | NotMeasured] = {}
    for form in FORMS:
        if any(one.name.startswith(f"{form}: ") for one in chosen):
            found |= _written(form, repetitions)
    return [found[one.name] for one in chosen]


def _written(form: str, repetitions: int) -> dict[str, Cost | NotMeasured]:
    given_rows = given(max(WRITTEN.values()))[: WRITTEN[form]]
    values = len(given_rows) * n_values(given_rows[0])
    seconds, sizes = [], []
    try:
        for _ in range(repetitions):
            with emptied() as folder:
                seconds.append(1e9 * cpu_seconds(partial(FORMS[form], folder, given_rows)) / values)
                sizes.append(sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / values)
    except NotMeasured as fault:
        return {f"{form}: {what}": fault for what in WRITING}
    return {f"{form}: {WRITING[0]}": cost("ns", seconds), f"{form}: {WRITING[1]}": cost("bytes", sizes)}


def measure_series(chosen: Sequence[Benchmark], repetitions: int) -> list[Timed | NotMeasured]:
    """One series read from each other form against the run log, of the same rows."""
    return [_series_against(one.name.partition(": ")[0], repetitions) for one in chosen]


def _series_against(form: str, repetitions: int) -> Timed | NotMeasured:
    with emptied() as folder:
        given_rows = given(max(WRITTEN.values()))[: WRITTEN[form]]
        try:
            FORMS[form](folder, given_rows)
        except NotMeasured as fault:
            return fault
        to_run_log(folder / "logs", given_rows)
        read = from_jsonl if form == JSONL else from_tensorboard
        return turn_about(
            lambda: read(folder), lambda: Run(folder / "logs" / "run").series("loss"), min(3, repetitions)
        )


def from_jsonl(folder: Path) -> list[float]:
    """The losses."""
    with (folder / "rows.jsonl").open() as file:
        return [json.loads(line)["loss"] for line in file]


def from_tensorboard(folder: Path) -> list[float]:
    """The losses."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder), size_guidance={"scalars": 0})
    events.Reload()
    return [event.value for event in events.Scalars("loss/0")]


def measure_maps(chosen: Sequence[Benchmark], repetitions: int) -> list[Cost]:
    """CPU time and bytes of a map; what is thinned is counted as written."""
    random = np.random.default_rng(0)
    smooth = np.cumsum(random.standard_normal((N_MAPS + 252, 80), dtype=np.float32), axis=0) / 10
    maps = [1 / (1 + np.exp(-smooth[place : place + 252])) for place in range(N_MAPS)]
    seconds, sizes = [], []
    for _ in range(repetitions):
        with emptied() as folder:
            seconds.append(1e6 * cpu_seconds(partial(_write_maps, folder, maps)) / N_MAPS)
            sizes.append(sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / N_MAPS / 1e3)
    found = {"CPU a map": cost("us", seconds), "kB a map": cost("kB", sizes)}
    return [found[one.name.rpartition(": ")[2]] for one in chosen]


def _write_maps(folder: Path, maps: Sequence[np.ndarray]) -> None:
    log = RunLog(folder / "run", {"maps": {"attention": "weights"}})
    for iteration, values in enumerate(maps):
        log.append_maps(iteration, {"attention": values})
    log.close()


WRITING = ("CPU a written value", "bytes a value")
AT_MOST = dict(zip((f"run log: {what}" for what in WRITING), (800, 3.6), strict=True))

GROUPS = (
    Group(
        tuple(
            Benchmark(name, ROWS, AT_MOST.get(name))
            for name in (f"{form}: {what}" for form in FORMS for what in WRITING)
        ),
        measure_writing,
    ),
    Group(
        tuple(
            Benchmark(f"{form}: one series against the run log", f"{WRITTEN[form]} {ROWS}", None)
            for form in (JSONL, EVENTS)
        ),
        measure_series,
    ),
    Group(
        tuple(
            Benchmark(f"run log: {what}", "maps of 252 frames x 80 classes", None) for what in ("CPU a map", "kB a map")
        ),
        measure_maps,
    ),
)
