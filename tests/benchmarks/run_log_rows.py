"""Rows like those of the standard level, and long run logs made of them in seconds."""

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from flatline.runs.log import SEALED_SHARE, RunLog
from flatline.runs.pyramid import write as write_pyramid
from flatline.runs.segments import write_whole
from flatline.runs.writer import MOST_SEALED

N_PARAMETERS, N_CLASSES, N_FRAME_BINS, N_SCALARS = 60, 80, 64, 25

INFO = {
    "parameters": [f"block{number}.weight" for number in range(N_PARAMETERS)],
    "parameter_parts": ["conv"] * N_PARAMETERS,
    "classes": [f"class number {number}" for number in range(N_CLASSES)],
    "recipe": {"model": {"architecture": "cgrnn", "head": "mean"}, "seed": 0, "iterations": 350},
    "loss_kind": "bce",
}


def columns(n: int, n_classes: int = N_CLASSES, n_bins: int = N_FRAME_BINS) -> dict[str, np.ndarray]:
    """`n` iterations of noise about usual sizes; most classes have no positive clip in a batch."""
    random = np.random.default_rng(0)

    def noise(width: int) -> np.ndarray:
        return random.standard_normal((n, width), dtype=np.float32)

    scores = random.random((n, n_classes), dtype=np.float32)
    norms = np.exp(noise(1)[:1] - 5 + np.linspace(-3, 3, N_PARAMETERS, dtype=np.float32))
    found = {name: abs(noise(1)[:, 0]) for name in ("loss", *(f"signal_{place}" for place in range(N_SCALARS - 2)))}
    found["learning_rate"] = np.full(n, 1e-3, dtype=np.float32)
    for name in ("gradient_norm", "weight_norm", "update_ratio"):
        found[name] = norms * np.exp(0.2 * noise(N_PARAMETERS))
    found["lwlrap"] = np.where(scores < 0.6, np.nan, scores).astype(np.float32)
    found["positives"] = np.where(scores < 0.6, 0, 1).astype(np.float32)
    found["running_lwlrap"] = random.random((n, n_classes), dtype=np.float32)
    for name in ("hidden_gradient.gru", "hidden_gradient_direct.gru"):
        found[name] = np.exp(noise(n_bins) - 5)
    return found


def rows(n: int) -> list[dict[str, Any]]:
    """The same as a recorder hands them over."""
    table = columns(n)
    scalar = {name: values.tolist() for name, values in table.items() if values.ndim == 1}
    given = []
    for place in range(n):
        row = {"iteration": place, "epoch": place // 100, "wall_time": 1.7e9 + place, "skipped": False}
        row |= {name: values[place] for name, values in scalar.items()}
        given.append(row | {name: values[place] for name, values in table.items() if values.ndim == 2})
    return given


def n_values(row: dict[str, Any]) -> int:
    """Recorded values of a row."""
    return sum(np.size(value) for value in row.values())


def long_log(path: Path, n: int) -> Path:
    """A finished run of `n` iterations: segments of the writer's sizes, written as it writes them, and the pyramid.

    Lists by class and frame bin are short, which leaves as many columns and 60 parameters, in a tenth of the time.
    """
    RunLog(path, {**INFO, "classes": ["a", "b"]}).close()
    return write_segments(path, n, columns(MOST_SEALED, 2, 2))


def write_segments(path: Path, n: int, values: Mapping[str, np.ndarray]) -> Path:
    """Segments of the writer's sizes and the pyramid, of `n` iterations that repeat the values again and again."""
    block = {name: _array(array) for name, array in values.items()}
    for first, last in bounds(n):
        iterations = np.arange(first, last + 1)
        table = pa.table(
            {
                "iteration": pa.array(iterations),
                "epoch": pa.array((iterations // 100).astype(np.int32)),
                "wall_time": pa.array(1.7e9 + iterations),
                **{name: array.slice(0, len(iterations)) for name, array in block.items()},
            }
        )
        name = f"{first:09d}-{last:09d}.parquet"
        write_whole(table, path / "iterations", name)
        write_pyramid(path / "pyramid")
    return path


def bounds(n: int) -> Iterator[tuple[int, int]]:
    """First and last iteration of the segments of a run of `n`, about."""
    first = 0
    while first < n:
        last = min(first + max(2000, min(int(first * SEALED_SHARE), MOST_SEALED)), n) - 1
        yield first, last
        first = last + 1


def many_runs(logs: Path, n: int) -> Path:
    """A folder of `n` finished runs of 350 iterations and eight evaluations."""
    log = RunLog(logs / "run-0000", INFO)
    for row in rows(350):
        log.append(row)
    for number in range(8):
        levels = {"lwlrap": 0.5, "lrap": 0.4, "loss": 0.1, "chance": 0.06, "constant": 0.07}
        scores = {name: np.ones(N_CLASSES) for name in ("class_lwlrap", "class_positives", "scores.a", "scores.b")}
        log.append_evaluation({"iteration": 50 * number, **levels, **scores})
    log.close()
    for number in range(1, n):
        shutil.copytree(log.path, logs / f"run-{number:04d}")
    return logs


def _array(values: np.ndarray) -> pa.Array:
    if values.ndim == 1:
        return pa.array(values)
    offsets = np.arange(len(values) + 1, dtype=np.int32) * values.shape[1]
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(np.ascontiguousarray(values, np.float32).ravel()))
