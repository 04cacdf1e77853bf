"""Attributions written straight into a run, as `flatline attribute` keeps them."""

from pathlib import Path
from typing import Any

import numpy as np
from flatline.runs.attribution_store import Stored, key_of, write_stored

POINTS = 5

CHECKS = {
    "deletion_area": 0.1,
    "deletion_area_random": 0.4,
    "insertion_area": 0.8,
    "insertion_area_random": 0.4,
    "randomised_weights": 0.05,
    "other_class": 0.2,
    "other_class_name": "class 5",
}


def keep(run: Path, values: np.ndarray, clip: str = "clip one.wav", **changed: Any) -> Stored:
    """Keep one with these values (frame, mel); what is `changed` is put over its facts, `options` over its options."""
    options = {"baseline": "silence", "of": None, "noise": 0, **changed.pop("options", {})}
    facts = {"clip": clip, "class_name": "class 0", "method": "integrated-gradients", "output": 0.75}
    facts |= {"baseline_output": 0.25, "delta": 1e-4, "steps": 64, "converged": True, "informative": True}
    facts |= {"why": "the class's probability moves from 0.25 to 0.75", "of": "probabilities", "iteration": 199}
    facts |= {"frame_s": 0.0625, "checks": CHECKS, "options": options, "seconds": 0.5, **changed}
    fraction = np.linspace(0, 1, POINTS)
    random = np.linspace(0.75, 0.25, POINTS) + np.array([[0.05], [-0.05]])
    arrays = {
        "attribution": values.astype(np.float32),
        "mel": np.ones(values.shape, np.float32),
        "fraction": fraction,
        "deletion": np.array([0.75, 0.3, 0.26, 0.25, 0.25]),
        "insertion": np.array([0.25, 0.6, 0.7, 0.74, 0.75]),
        "random_deletion": random,
        "random_insertion": random[:, ::-1],
    }
    return write_stored(run, key_of({key: str(value) for key, value in facts.items()}, values), facts, arrays)


def heard(frames: int = 32, mels: int = 16, first: int = 8, last: int = 14) -> np.ndarray:
    """(frame, mel) values that are positive between two frames and a little negative elsewhere."""
    values = np.full((frames, mels), -0.001)
    values[first:last] = 0.02
    return values
