"""Ablations of a run: those in its evaluations' rows, and those made later, a file an iteration under `ablations/`.

Sealed evaluations never change, so what `flatline ablate` finds is kept beside them. Reading needs no torch.
"""

import json
import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from ..diagnostics.ablation_shares import Ablation, is_ablation_column, meaning
from ..diagnostics.errors import RunError
from .jsons import write_json
from .locking import FolderLock

FOLDER = "ablations"


def write_ablation(run: Path, iteration: int, ablation: Ablation, checkpoint: str) -> Path:
    """Keep what was found of a run's network at an iteration, in place of what was kept for it before.

    checkpoint : name of the weights' file
    Returns the file.
    Raises RunError while the run is being written, or where its folder cannot be.
    """
    lock = FolderLock(run)
    try:
        (run / FOLDER).mkdir(exist_ok=True)
        path = run / FOLDER / f"{iteration:09d}.json"
        labels = {part.part: part.label for part in ablation.parts}
        found = {"iteration": iteration, "wall_time": time.time(), "checkpoint": checkpoint, "labels": labels}
        write_json(path, {**found, "shares": ablation.row()})
    except OSError as error:
        raise RunError(f"{run / FOLDER} cannot be written ({error.strerror or error}); see to the disk") from error
    finally:
        lock.close()
    return path


def as_json(ablation: Ablation) -> dict[str, Any]:
    """As `flatline ablate --json` prints it, less the run."""
    return {
        "clips": ablation.n_clips,
        "score": ablation.score,
        "chance": ablation.chance,
        "constant": ablation.constant,
        "floor": ablation.floor,
        "parts": [{**vars(part), "means": meaning(part).lstrip(": ")} for part in ablation.parts],
    }


def ablations_of(run: Path, evaluations: pd.DataFrame) -> pd.DataFrame:
    """Iteration x column of ablations (`ablation.rnn.gru`, `.low`, `.high`, `.score` ...), ascending.

    Of several at one iteration the newest counts, column by column; what it did not try stands as it was found before.

    evaluations : iteration x column, `wall_time` included
    Raises RunError for a file that cannot be read.
    """
    columns = [name for name in evaluations if is_ablation_column(name)]
    rows = evaluations.loc[evaluations[columns].notna().any(axis=1)]
    values, times = rows[columns].to_numpy(dtype=float), rows["wall_time"].to_numpy(dtype=float)
    found: list[tuple[int, float, dict[str, float]]] = [
        (int(iteration), float(when), dict(zip(columns, shares, strict=True)))
        for iteration, when, shares in zip(rows.index, times, values.tolist(), strict=True)
    ]
    found += [(one["iteration"], one["wall_time"], one["shares"]) for one in kept(run)]
    merged: dict[int, dict[str, float]] = {}
    for iteration, _, shares in sorted(found, key=lambda one: one[:2]):
        merged.setdefault(iteration, {}).update(shares)
    names = list(dict.fromkeys(name for shares in merged.values() for name in shares))
    index = pd.Index(list(merged), name="iteration", dtype="int64")
    return pd.DataFrame(list(merged.values()), index=index, columns=names, dtype=float)


def kept(run: Path) -> list[dict[str, Any]]:
    """What `write_ablation` kept, in order of iterations.

    Raises RunError for a file that cannot be read.
    """
    return [_read(path) for path in sorted((run / FOLDER).glob("*.json"), key=lambda path: path.name)]


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_bytes())
        shares = {name: _number(value) for name, value in _mapping(found["shares"]).items()}
        return {"iteration": int(found["iteration"]), "wall_time": float(found["wall_time"]), "shares": shares}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(f"{path} cannot be read ({error}); delete it, and `flatline ablate` makes it again") from None


def _mapping(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise TypeError("shares are no mapping")
    return value


def _number(value: Any) -> float:
    return math.nan if value is None else float(value)
