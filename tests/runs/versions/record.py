"""Writes the small run log that stands beside this file for the writer's schema version.

    python tests/runs/versions/record.py

Run it once when SCHEMA_VERSION rises, and commit the folder; an older version's folder is never written again. The log
is one of every kind of file: sealed segments, a tail that a killed writer left, evaluations, maps and events.
"""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from flatline.runs.log import SCHEMA_VERSION, RunLog

HERE = Path(__file__).parent

CLASSES, PARAMETERS, GATES = ["Bark", "Meow", "Hiss"], ["conv.weight", "gru.weight_hh_l0"], ["gru.weight_hh_l0/z"]

INFO = {
    "classes": CLASSES,
    "parameters": PARAMETERS,
    "parameter_parts": ["conv", "rnn"],
    "gates": GATES,
    "maps": {"head.map": "sigmoid"},
    "clips": ["a.wav"],
    "loss_kind": "bce",
    "recipe": {"name": "story-plain", "seed": 3, "model": {"architecture": "cgrnn", "head": "mean"}},
    "signals": {"rho": {"unit": "1", "meaning": "gradient of the bias against the noise of the labels"}},
}

SEALED, WRITTEN = 60, 75
"""Iterations in segments, and altogether."""

EVALUATED = (0, 40)


def row(iteration: int) -> dict[str, Any]:
    """One iteration, of numbers that float32 holds exactly; `rho` came late."""
    late = {"rho": iteration / 4} if iteration >= 50 else {}
    return {
        "iteration": iteration,
        "epoch": iteration // 10,
        "wall_time": 1.75e9 + iteration / 8,
        "loss": 2.0 - iteration / 128,
        "learning_rate": 2.0**-10,
        "skipped": iteration == 7,
        "gradient_norm_total": np.nan if iteration == 7 else iteration / 16,
        "gradient_norm": [iteration / 2, np.nan if iteration == 7 else iteration / 32],
        "gate_gradient_norm": [iteration / 64],
        "lwlrap": [0.5, np.nan, iteration / 128],
        "hidden_gradient.gru": [0.25, iteration / 4, np.nan, 1.0],
        **late,
    }


def evaluation(iteration: int) -> dict[str, Any]:
    """One evaluation."""
    levels = {"epoch": iteration // 10, "wall_time": 1.75e9, "lrap": 0.375, "loss": 0.125, "chance": 0.25}
    lists = {"class_lwlrap": [0.5, np.nan, iteration / 64], "class_positives": [2.0, 0.0, 1.0]}
    return {"iteration": iteration, **levels, "lwlrap": iteration / 64, "constant": 0.3125, **lists}


def attention(iteration: int) -> np.ndarray:
    """(frame, class): from 0 to 1 in each class, so that a byte a cell is off by 1/508 at most."""
    frames = np.linspace(0, 1, 6, dtype=np.float32)[:, None]
    return np.abs(frames - np.array([[0.0, 1.0, iteration % 2]], dtype=np.float32))


def record(path: Path) -> None:
    """Write the log, as if its writer had been killed, with what differs from run to run made the same."""
    log = RunLog(path, INFO)
    for iteration in range(SEALED):
        add(log, iteration)
    log.event("skipped-step", 7)
    log.close()
    log = RunLog(path, resume=True)
    for iteration in range(SEALED, WRITTEN):
        add(log, iteration)
    log.flush()
    shutil.copytree(path, kept := path.with_name(f".{path.name}"))
    log.close()
    shutil.rmtree(path)
    kept.rename(path)
    info = json.loads((path / "run.json").read_text())
    info |= {"started": "2026-01-02T03:04:05+00:00", "process": {"pid": 1, "host": "here"}, "name": path.name}
    info["versions"] = {"flatline": info["versions"].get("flatline", "")}
    (path / "run.json").write_text(json.dumps(info, indent=1) + "\n")
    events = [json.loads(line) | {"wall_time": 1.75e9} for line in (path / "events.jsonl").read_text().splitlines()]
    (path / "events.jsonl").write_text("".join(f"{json.dumps(event)}\n" for event in events))
    (path / ".lock").unlink(missing_ok=True)


def add(log: RunLog, iteration: int) -> None:
    """One iteration with what falls due at it."""
    log.append(row(iteration))
    if iteration in (0, 30, 31):
        log.append_maps(iteration, {"head.map": attention(iteration)})
    if iteration in EVALUATED:
        log.append_evaluation(evaluation(iteration))
        log.append_maps(iteration, {"head.map": attention(iteration)}, "a.wav")


if __name__ == "__main__":
    folder = HERE / str(SCHEMA_VERSION)
    if folder.exists():
        raise SystemExit(f"{folder} is there already, and what an older Flatline wrote stays as it is")
    record(folder)
    print(folder)
