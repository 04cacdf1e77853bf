"""What a diagnosis costs: of 100,000 iterations at the standard level, 60 parameters and 80 classes."""

import os
import resource
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
from flatline.runs.diagnosing import diagnose
from flatline.runs.log import RunLog
from run_log_forms import Cost, cost, emptied
from run_log_rows import INFO, N_CLASSES, N_PARAMETERS, columns, write_segments
from timing import Benchmark, Group, cpu_seconds

N = 100_000

RNN = "gru"

PARTS = {"conv": 40, "rnn": 8, "attention": 6, "head": 6}

SCALARS = {
    "gradient_norm_total": 1.0,
    "gradient_norm_mean": 0.1,
    "output_min": -4.0,
    "output_max": 2.0,
    "clip_spread": 0.5,
    "class_spread": 1.0,
    "rank_agreement": 0.6,
    "top_class_share": 0.2,
    "prediction_entropy": 1.0,
    "rho": 0.8,
    "label_entropy": 1.0,
    "ln2_distance": 0.3,
    "target_max": 1.0,
    "input_spread": 1.0,
    "input_scale": 1.0,
    f"saturation.{RNN}": 0.2,
    f"hidden_spread.{RNN}": 0.3,
}
"""What a net that learns has, about: no detector may stop at the first look."""


def block(n: int) -> dict[str, np.ndarray]:
    """`n` iterations as the recorder writes them at the standard level."""
    found = columns(n)
    for place in [name for name in found if name.startswith("signal_")]:
        del found[place]
    noise = np.exp(0.05 * np.random.default_rng(1).standard_normal(n, dtype=np.float32))
    found |= {name: (np.float32(value) * noise).clip(max=1) for name, value in SCALARS.items()}
    found |= {name: np.zeros(n, dtype=np.float32) for name in ("nonfinite_gradients", "nonfinite_inputs", "target_min")}
    found["loss"] = np.float32(0.3) * noise
    found["gradient_norm_unclipped"] = np.full(n, np.nan, dtype=np.float32)
    found["skipped"] = np.zeros(n, dtype=bool)
    for name in ("attention_entropy", "attention_peak", "attention_sum", "attention_drift"):
        found[name] = found["running_lwlrap"]
    replayed = np.where(np.arange(n)[:, None] % 50 == 0, found["hidden_gradient.gru"], np.nan).astype(np.float32)
    found |= {f"hidden_gradient.{path}": replayed for path in (RNN, f"{RNN}.l0", f"{RNN}.l0_reverse")}
    return found


@cache
def standard_log(path: Path, n: int = N) -> Path:
    """A finished run of `n` iterations with an evaluation every 1,000."""
    names = [f"hidden_gradient.{RNN}", f"hidden_gradient.{RNN}.l0", f"hidden_gradient.{RNN}.l0_reverse"]
    parts = [part for part, number in PARTS.items() for _ in range(number)]
    more = {"parameter_parts": parts, "output_kind": "logits", "loss_kind": "bce-with-logits"}
    more |= {"maps": {"attention": "sigmoid"}, "signals": {name: {"unit": "1", "meaning": ""} for name in names}}
    log = RunLog(path, {**INFO, **more})
    for iteration in range(0, n + 1, 1000):
        levels = {"lwlrap": min(0.8, 0.1 + iteration / n), "lrap": 0.4, "loss": 0.1, "chance": 0.06, "constant": 0.07}
        scores = {"class_lwlrap": np.linspace(0.2, 1, N_CLASSES), "class_positives": np.full(N_CLASSES, 10)}
        log.append_evaluation({"iteration": iteration, **levels, **scores})
    log.close()
    return write_segments(path, n, block(min(n, 20_000)))


def measure(chosen: Sequence[Benchmark], repetitions: int) -> list[Cost]:
    """On one log; the process is counted whole, Python's start and imports included."""
    with emptied() as folder:
        path = standard_log(folder / "long")
        return [cost("ms", [1e3 * WAYS[one.name](path) for _ in range(repetitions)]) for one in chosen]


def of_the_command(path: Path) -> float:
    """CPU seconds of `flatline diagnose`."""
    before = _children()
    command = [sys.executable, "-m", "flatline", "diagnose", str(path), "--json"]
    subprocess.run(command, check=True, capture_output=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    return _children() - before


def of_the_function(path: Path) -> float:
    """CPU seconds of `flatline.diagnose` of a run that was just opened."""
    return cpu_seconds(lambda: diagnose(path))


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


WAYS = {"diagnose: the command": of_the_command, "diagnose: the function": of_the_function}

SIZE = f"100,000 iterations, {N_PARAMETERS} parameters, {N_CLASSES} classes, standard level, in the page cache"

GROUPS = (Group(tuple(Benchmark(name, SIZE, 2000) for name in WAYS), measure),)
