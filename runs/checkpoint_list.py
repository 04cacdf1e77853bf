"""Iterations of a run's checkpoints without opening one; needs no torch, which `runs.checkpoints` does."""

import json
import re
from pathlib import Path

STEM = re.compile(r"(\d{9,})(?:\.\d+)?")

LONGEST_HEAD = 10_000_000
"""Bytes of a safetensors head, at most; what says that it has more is damaged."""


def checkpoint_iterations(run: Path) -> list[int]:
    """Iterations of which a run has weights, ascending, each once; none for a run in a store."""
    folder = run / "checkpoints"
    if not isinstance(folder, Path):
        return []
    names = {path.name for path in folder.glob("*")}
    stems = [name.removesuffix(".safetensors") for name in names if name.endswith(".safetensors")]
    found = {int(stem[1]) for name in stems if f"{name}.pt" in names and (stem := STEM.fullmatch(name))}
    old = (_iteration(folder / name) for name in ("best.safetensors", "last.safetensors") if name in names)
    return sorted(found | {iteration for iteration in old if iteration is not None})


def _iteration(path: Path) -> int | None:
    """Of a checkpoint of an earlier version, whose name does not say it; None of a damaged file."""
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            about = json.loads(file.read(min(length, LONGEST_HEAD)))["__metadata__"]
        return int(json.loads(about["checkpoint"])["iteration"] if "checkpoint" in about else about["iteration"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
