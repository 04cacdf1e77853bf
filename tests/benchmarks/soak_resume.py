"""Training runs stopped at random moments, by Ctrl-C and by kill -9, resumed, and held bit for bit against one that was
not.

make soak                        200 kills of the log, and 20 resumes
python tests/benchmarks/soak_resume.py --count 20
"""

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from flatline.data import make_dataset
from flatline.runs.checkpoints import find, load_state
from flatline.runs.run import Run
from safetensors.torch import load_file

NETS = {
    "story-attention": ["model.options.channels=2", "model.options.n_hidden=4"],
    "story-published": [
        "model.architecture=simple-cgrnn",
        "model.options={n_hidden: 8, frame_dropout: 0.2, kernel: 6, pool: 2}",
    ],
    "story-plain": ["model.options.channels=2", "model.options.n_hidden=4", "clip_norm=0.05", "data.mask=true"],
}
"""Recipes and what makes them small; the second draws random numbers in training."""

SETTINGS = ["batch_size=8", "iterations=150", "evaluate_every=40"]

BY_THE_CLOCK = ("wall_time", "hidden_gradient.")
"""Columns whose values hang on the time: when an iteration was, and which iterations replays were made in."""


@dataclass(frozen=True)
class Trial:
    """One run that was stopped and resumed: how, after how many rows, from which iteration, and what came out else."""

    recipe: str
    how: str
    rows: int
    resumed_from: int
    superseded: int
    differences: list[str]


def differences(reference: Path, run: Path) -> list[str]:
    """What two runs have that is not the same to the last bit, less what hangs on the clock."""
    found = [f"weights {name}" for name in unlike(*(load_file(find(path, "last")[-1]) for path in (reference, run)))]
    states = [load_state(path) for path in (reference, run)]
    for state in states:
        state["recorder"]["signals"].pop("hidden_gradients", None)
        for evaluation in ("last", "best"):
            state["progress"][evaluation].pop("wall_time")
    found += [f"state {name}" for name in unlike(*states)]
    folders = {path.relative_to(root) for root in (reference, run) for path in root.glob("maps/*")}
    for folder in [Path("iterations"), Path("evaluations"), *sorted(folders)]:
        found += [f"{folder} {name}" for name in unlike_tables(reference / folder, run / folder)]
    events = [[e for e in Run(path).events() if e["kind"] not in ("resume", "finding")] for path in (reference, run)]
    return found + ["events"] * (len(events[0]) != len(events[1]))


def unlike(one: Any, other: Any, where: str = "") -> list[str]:
    """Places in two trees whose values differ."""
    if isinstance(one, dict) and isinstance(other, dict):
        keys = dict.fromkeys([*one, *other])
        return [place for key in keys for place in unlike(one.get(key), other.get(key), f"{where}.{key}")]
    if isinstance(one, (list, tuple)) and isinstance(other, (list, tuple)) and len(one) == len(other):
        return [place for i, pair in enumerate(zip(one, other, strict=True)) for place in unlike(*pair, f"{where}.{i}")]
    if isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor):
        alike = one.dtype == other.dtype and np.array_equal(
            one.numpy(), other.numpy(), equal_nan=one.is_floating_point()
        )
    else:
        alike = type(one) is type(other) and (one == other or one != one)
    return [] if alike else [where.removeprefix(".")]


def unlike_tables(one: Path, other: Path) -> list[str]:
    """Columns in which two folders of rows differ; of clocked ones, rows that have a value in both must be alike."""
    first, second = rows_of(one), rows_of(other)
    names = dict.fromkeys([*first.column_names, *second.column_names])
    if first.column("iteration") != second.column("iteration"):
        return [f"iteration ({first.num_rows} and {second.num_rows} rows)"]
    return [name for name in names if name != "wall_time" and not alike(first, second, name)]


def alike(first: pa.Table, second: pa.Table, name: str) -> bool:
    """Whether a column is the same in both tables."""
    if not name.startswith(BY_THE_CLOCK) and not {name} <= set(first.column_names) & set(second.column_names):
        return False
    pairs = zip(*(column_of(table, name) for table in (first, second)), strict=True)
    for one, other in pairs:
        if name.startswith(BY_THE_CLOCK) and (np.isnan(one).all() or np.isnan(other).all()):
            continue
        if isinstance(one, bytes):
            if one != other:
                return False
        elif not np.array_equal(one, other, equal_nan=True):
            return False
    return True


def column_of(table: pa.Table, name: str) -> list[Any]:
    """The column's values: bytes, or arrays."""
    values = table.column(name).to_pylist() if name in table.column_names else [np.nan] * table.num_rows
    return [value if isinstance(value, bytes) else np.array(value, dtype=np.float64) for value in values]


def rows_of(folder: Path) -> pa.Table:
    """Every sealed row of a folder, in the order of the files' names."""
    tables = [pq.read_table(path) for path in sorted(folder.glob("*.parquet"))]
    return pa.concat_tables(tables, promote_options="default") if tables else pa.table({"iteration": []})


def command(recipe: str, data: Path, logs: Path, name: str) -> list[str]:
    """That trains anew."""
    settings = ["--set", *SETTINGS, *NETS[recipe]]
    return ["train", recipe, "--data", str(data), "--logs", str(logs), "--name", name, *settings]


def start(*arguments: str) -> subprocess.Popen[str]:
    """`flatline` in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "flatline", *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1")},
    )


def stopped(process: subprocess.Popen[str], run: Path, seconds: float, how: signal.Signals) -> bool:
    """Whether a training was stopped so many seconds after its first checkpoint, before it ended by itself."""
    while process.poll() is None and not list(run.glob("checkpoints/*.safetensors")):
        time.sleep(0.005)
    time.sleep(seconds)
    process.send_signal(how)
    process.communicate(timeout=120)
    return process.returncode in (130, -signal.SIGKILL)


def trial(recipe: str, reference: Path, data: Path, logs: Path, seconds: float, how: signal.Signals) -> Trial | None:
    """One run stopped and resumed; None where it was too fast to be stopped."""
    run = logs / "stopped"
    shutil.rmtree(run, ignore_errors=True)
    if not stopped(start(*command(recipe, data, logs, run.name)), run, seconds, how):
        return None
    if Run(run).status == "finished":  # killed on its way out
        return None
    rows = len(Run(run))
    process = start("train", "--resume", str(run))
    said = process.communicate(timeout=300)[1]
    if process.returncode:
        return Trial(recipe, how.name, rows, -1, 0, [f"exit code {process.returncode}: {said.strip()[-200:]}"])
    event = next(event for event in Run(run).events() if event["kind"] == "resume")
    return Trial(recipe, how.name, rows, event["iteration"], event["superseded_rows"], differences(reference, run))


def main() -> int:
    """Print a line a resume, then how many came out the same."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--count", type=int, default=20)
    arguments.add_argument("--seed", type=int, default=0)
    given = arguments.parse_args()
    chance = random.Random(given.seed)
    trials: list[Trial] = []
    with tempfile.TemporaryDirectory() as temporary:
        logs = Path(temporary)
        os.environ["FLATLINE_CACHE"] = str(logs / "cache")
        data = make_dataset(logs / "data", n_curated=64, n_noisy=0, n_test=16, workers=1)
        lasted: dict[str, float] = {}
        print(f"{'recipe':<18} {'how':<8} {'rows':>5} {'from':>5} {'superseded':>10}  the same")
        while len(trials) < given.count:
            recipe = list(NETS)[len(trials) % len(NETS)]
            if recipe not in lasted:
                lasted[recipe] = reference_run(recipe, data, logs)
            how = signal.SIGKILL if len(trials) // len(NETS) % 2 == 0 else signal.SIGINT
            done = trial(recipe, logs / recipe, data, logs, chance.random() * lasted[recipe], how)
            if done is not None:
                trials.append(done)
                same = ", ".join(done.differences[:3]) or "yes"
                print(
                    f"{recipe:<18} {done.how:<8} {done.rows:>5} {done.resumed_from:>5} {done.superseded:>10}  {same}",
                    flush=True,
                )
    good = sum(not done.differences for done in trials)
    print(f"{good} of {len(trials)} resumed runs are bit-identical to the run that was not stopped")
    return 0 if good == len(trials) else 1


def reference_run(recipe: str, data: Path, logs: Path) -> float:
    """Train without a stop; returns the seconds it took from its first checkpoint on."""
    process = start(*command(recipe, data, logs, recipe))
    while process.poll() is None and not list((logs / recipe).glob("checkpoints/*.safetensors")):
        time.sleep(0.005)
    begun = time.monotonic()
    said = process.communicate(timeout=300)[1]
    if process.returncode:
        raise RuntimeError(said)
    return time.monotonic() - begun


if __name__ == "__main__":
    sys.exit(main())
