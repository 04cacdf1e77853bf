"""Long runs as the dashboard shows them: all that its pages draw is recorded, and the verdict stands beside the run."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from diagnose_speed import PARTS, RNN, block
from flatline.runs.kept_clips import Event, KeptClip, keep_clip
from flatline.runs.log import SEALED_SHARE, RunLog
from flatline.runs.read_once import ReadOnce
from flatline.runs.summary import judge
from run_log_rows import INFO, N_CLASSES, many_runs, write_segments

CLIP, MAP = "pinned.wav", "attention"

FRAMES, MELS, CLIP_S, RATE_HZ = 252, 64, 6.0, 8000

EVALUATE_EVERY = 1000

BLOCK = 20_000
"""Iterations that differ, at least; longer runs repeat them, in each segment from the first."""

UNSEEN = ("weight_norm", "attention_", "hidden_gradient.gru.l0")
"""Columns that no page draws, by their beginning: left out, since they would double the time that writing takes."""


def shown_log(path: Path, n: int, every: int = EVALUATE_EVERY) -> Path:
    """A finished and judged run of `n` iterations at the standard level, with evaluations, a clip, its sound and maps.

    every : iterations between evaluations, the clip's maps among them
    """
    log = RunLog(path, _info())
    keep_clip(log.path, *_clip())
    for iteration in range(0, n + 1, every):
        log.append_evaluation(evaluation(iteration, n))
        for clip in (None, CLIP):
            log.append_maps(iteration, {MAP: _map(iteration / n)}, clip)
    log.close()
    write_segments(path, n, columns(min(n, max(BLOCK, int(n * SEALED_SHARE)))))
    judge(ReadOnce(path))
    return path


def judged_runs(logs: Path, n: int) -> Path:
    """A folder of `n` finished runs with their verdicts beside them, as training leaves them."""
    first = many_runs(logs, 1) / "run-0000"
    judge(ReadOnce(first))
    for number in range(1, n):
        shutil.copytree(
            first, logs / f"run-{number:04d}"
        )  # times of change too, by which a verdict is known as current
    return logs


def columns(n: int) -> dict[str, np.ndarray]:
    """`n` iterations of what is drawn."""
    return {name: values for name, values in block(n).items() if not name.startswith(UNSEEN)}


def evaluation(iteration: int, n: int) -> dict[str, Any]:
    """A run that learns; classes lie apart, and each is on top of as many clips as have it."""
    share = iteration / n
    return {
        "iteration": iteration,
        **{"lwlrap": 0.1 + 0.7 * share, "lrap": 0.05 + 0.7 * share, "loss": 0.4 - 0.3 * share},
        **{"chance": 0.06, "constant": 0.07},
        "class_lwlrap": np.clip(np.linspace(0.2, 1, N_CLASSES) * (0.2 + share), 0, 1),
        "class_positives": np.full(N_CLASSES, 10.0),
        "class_top": np.full(N_CLASSES, 1 / N_CLASSES),
        f"scores.{CLIP}": np.linspace(-4, 4, N_CLASSES),
    }


def _info() -> Mapping[str, Any]:
    hidden = f"hidden_gradient.{RNN}"
    return {
        **INFO,
        "parameter_parts": [part for part, number in PARTS.items() for _ in range(number)],
        **{"output_kind": "logits", "loss_kind": "bce-with-logits", "clips": [CLIP], "maps": {MAP: "sigmoid"}},
        "signals": {hidden: {"unit": "1", "meaning": ""}},
    }


def _clip() -> tuple[KeptClip, np.ndarray]:
    random, label = np.random.default_rng(2), INFO["classes"][0]
    clip = KeptClip(
        CLIP,
        random.standard_normal((FRAMES, MELS), dtype=np.float32),
        labels=(label,),
        frame_s=CLIP_S / FRAMES,
        hz=np.geomspace(60, 3900, MELS),
        n_real=FRAMES,
        events=(Event(2.0, 3.0, label),),
        sample_rate_hz=RATE_HZ,
    )
    return clip, 0.1 * random.standard_normal(int(CLIP_S * RATE_HZ))


def _map(share: float) -> np.ndarray:
    """(frame, class) weights that rise where the clip's sound is."""
    values = np.full((FRAMES, N_CLASSES), 0.1)
    values[84:126, 0] += 0.8 * share
    return values
