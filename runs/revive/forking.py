"""A run that begins where another was at one of its checkpoints, trained on by another recipe."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...diagnostics.errors import RunError
from ..checkpoints import checkpoints_of, pairs
from ..jsons import write_json
from ..locking import FolderLock
from ..log import read_info
from ..recipe import Recipe
from ..run import Run
from ..superseding import supersede

LEFT = (
    "attributions",
    "localisation",
    "localisation.json",
    "ablations",
    "superseded",
    "pyramid",
    "checkpoints",
    "summary.json",
    "revive*.json",
    "prescription*.yaml",
    ".*",
)
"""What a fork does not take over: of the run's end, or made again."""


def last_healthy(run: Run, before: int) -> int:
    """Iteration of the newest checkpoint whose weights were finite and that lies before an onset; 0 where none does.

    before : iteration at which what is to be cured began
    """
    there = [one.iteration for one in checkpoints_of(run.path) if one.healthy and one.iteration < before]
    return max(there, default=0)


def fork(run: Run, iteration: int, path: Path, recipe: Recipe, about: Mapping[str, Any]) -> None:
    """Make a run in an empty folder that stands where `run` stood at a checkpoint, as if interrupted there.

    `resume` goes on with it: the rows before are the other run's, what comes after is trained by `recipe`.

    about : what its run.json says besides
    Raises RunError where the checkpoint is not there, OSError where the folder cannot be written.
    """
    kept = [one for one in pairs(run.path) if int(one.stem.partition(".")[0]) == iteration]
    if not kept:
        raise RunError(f"run {run.name} has no checkpoint of iteration {iteration} to fork from; start from 0 instead")
    left = LEFT if run.recipe["data"] == recipe.to_dict()["data"] else (*LEFT, "clips")  # kept as the network sees them
    shutil.copytree(run.path, path, ignore=shutil.ignore_patterns(*left), dirs_exist_ok=True)
    (path / "checkpoints").mkdir(exist_ok=True)
    for half in (kept[-1], kept[-1].with_suffix(".pt")):
        shutil.copy2(half, path / "checkpoints" / f"{iteration:09d}{half.suffix}")
    info = {**read_info(run.path), "status": "interrupted", "recipe": recipe.to_dict(), **about}
    write_json(path / "run.json", {**info, "seed": recipe.seed, "iterations_planned": recipe.iterations})
    lock = FolderLock(path)
    try:
        supersede(path, iteration, evaluated=True)
    finally:
        lock.close()
    shutil.rmtree(path / "superseded", ignore_errors=True)
