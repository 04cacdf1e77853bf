"""Which runs of a sweep are there, which are gone on with, and by which command each is trained."""

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import yaml

from ..data import load_dataset
from ..diagnostics.errors import RunError
from .lr_range import Sweep as Rates
from .lr_range import for_range_test
from .places import is_remote
from .recipe import Recipe, recipe_from_dict
from .recording import set_aside
from .resume import WORDS, check_same_data, differences, run_to_resume
from .run import Run
from .sweep import ForRate, Planned, SweepError
from .sweep_jobs import Job
from .task import Task


@dataclass(frozen=True)
class Standing:
    """What is there of a run: "finished", "interrupted" (to be gone on with) or "new"."""

    planned: Planned
    path: Path
    what: str


def with_epochs(planned: Planned, task: Task) -> Planned:
    """The run with its epochs made iterations, an evaluation after each."""
    if planned.epochs is None:
        return planned
    per_epoch = len(task.train) // planned.recipe.batch_size
    recipe = replace(planned.recipe, iterations=planned.epochs * per_epoch, evaluate_every=per_epoch)
    return replace(planned, recipe=recipe, epochs=None)


def is_for(rate: ForRate | None, root: Path) -> bool:
    """Whether data have the sample rate from which on another sweep is meant."""
    if rate is None:
        return False
    hz = load_dataset(root, on_problem="collect").sample_rate_hz
    return hz is not None and hz >= rate.from_hz


def standing(planned: Planned, task: Task, logs: Path) -> Standing:
    """What is there of a run under `logs`.

    Raises SweepError if a run of that name was trained by another recipe, RunError if it is on other data, or is being
    written by another process.
    """
    path = logs / planned.name
    if not (path / "run.json").is_file():
        return Standing(planned, path, "new")
    run = Run(path)
    wanted = expected(planned)
    for key, (before, now) in differences(recipe_from_dict(run.recipe, f"run {path}"), wanted).items():
        if key not in WORDS:
            raise SweepError(
                f"{key} is {now!r} in the sweep and {before!r} in the run at {path}; give another --logs, or take that "
                f"run away (flatline runs prune {logs} --name {planned.name})"
            )
    check_same_data(run, task)
    if run.status == "finished":
        return Standing(planned, path, "finished")
    if planned.is_range_test:
        return Standing(planned, path, "new")
    run_to_resume(str(path), logs)
    return Standing(planned, path, "interrupted" if has_checkpoint(path) else "new")


def expected(planned: Planned) -> Recipe:
    """The recipe that the run's run.json holds."""
    return for_range_test(planned.recipe, Rates()) if planned.is_range_test else planned.recipe


def has_checkpoint(path: Path) -> bool:
    """Whether a run can be gone on with."""
    try:
        return any((path / "checkpoints").iterdir())
    except OSError:
        return False


def job_of(stands: Standing, recipes: Path, data: Path, threads: int) -> Job:
    """The command that trains a run, or goes on with it; its recipe is written under `recipes`.

    What stands in a new run's place, begun and never checkpointed, is moved aside.
    """
    planned = stands.planned
    environment = {"OMP_NUM_THREADS": str(threads)}
    command = [sys.executable, "-m", "flatline"]
    if stands.what == "interrupted":
        return Job(planned.name, (*command, "train", "--resume", str(stands.path), "--data", str(data)), environment)
    _clear(stands.path)
    file = recipes / f"{planned.name}.yaml"
    file.write_text(yaml.safe_dump(planned.recipe.to_dict(), sort_keys=False), encoding="utf-8")
    kind = "lr-range" if planned.is_range_test else "train"
    named = ("--name", planned.name, "--logs", str(stands.path.parent))
    return Job(planned.name, (*command, kind, str(file), "--data", str(data), *named), environment)


def _clear(path: Path) -> None:
    """Free a run's place of what a killed process left there."""
    set_aside(path)
    if is_remote(path) or not path.is_dir():
        return
    try:
        os.rmdir(path)  # claimed, and nothing recorded yet
    except OSError as error:
        raise RunError(f"{path} is there and holds no run ({error.strerror}); move it away") from None


def failures(names: Sequence[str], at_most: int = 3) -> str:
    """Some of the names, and how many more."""
    more = f" and {len(names) - at_most} more" if len(names) > at_most else ""
    return ", ".join(names[:at_most]) + more
