"""Going on with a run that was interrupted or killed, in its own folder."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..diagnostics.errors import RunError
from .checkpoints import checkpoints_of, pairs
from .mirror import opened
from .recipe import Recipe, RecipeError, load_recipe, recipe_from_dict, recipe_with
from .run import Run
from .store import StoreError
from .store_lock import lock_of
from .superseding import supersede
from .task import Task
from .train import Resumed, Trained, Training, Watch

MAY_CHANGE = ("iterations", "evaluate_every", "early_stop", "ablate", "keep_checkpoints", "device")
"""Keys that say how long a run goes on, what is kept and where it runs: none changes what is trained."""

WORDS = ("name", "description")
"""Keys that change nothing at all."""


def run_to_resume(address: str, logs: Path) -> Run:
    """The run, if it is one that was trained by a recipe and that nobody writes.

    Raises RunError saying what else to do.
    """
    run = Run(address, logs)
    if not run.recipe or "data" not in run.info:
        raise RunError(
            f"run {run.name} was recorded from a training loop of your own, which alone can go on with it; "
            "give --resume a run of `flatline train`"
        )
    if "lr_range" in run.info:
        raise RunError(f"run {run.name} is a learning-rate range test, which is begun anew (flatline lr-range)")
    if run.status == "running":
        lock_of(run.path).close()  # raises, naming the process
    return run


def recipe_of(run: Run, address: str | None, settings: Sequence[str], **overrides: Any) -> Recipe:
    """The run's own recipe, with what was changed of the keys that may change.

    address : a recipe that must say the same; None for the run's own
    settings, overrides : as for `load_recipe`; those given here count, what `address` says of such keys does not
    Raises RecipeError for a recipe or a setting that would train something else, naming the key.
    """
    where = f"run {run.name}"
    own = recipe_from_dict(run.recipe, where)
    wanted = recipe_with(run.recipe, where, settings, **overrides)
    for other in [wanted] if address is None else [load_recipe(address, settings, **overrides), wanted]:
        for key, (before, now) in differences(own, other).items():
            if key not in (*MAY_CHANGE, *WORDS):
                raise RecipeError(
                    f"{key} is {now!r} here and {before!r} in {where}, which can only go on as it began "
                    f"(to be changed are {', '.join(MAY_CHANGE)}); leave it out, or train a new run"
                )
    if own.schedule.kind == "cosine" and wanted.iterations != own.iterations:
        raise RecipeError(
            f"iterations is {wanted.iterations} here and {own.iterations} in {where}, whose cosine schedule ends "
            "there, and every rate before depends on it; leave it out, or train a new run"
        )
    return wanted


def differences(one: Recipe, other: Recipe) -> dict[str, tuple[Any, Any]]:
    """Dotted keys in which two recipes differ, and both values."""
    first, second = _flat(one.to_dict()), _flat(other.to_dict())
    keys = dict.fromkeys([*first, *second])
    return {key: (first.get(key), second.get(key)) for key in keys if first.get(key) != second.get(key)}


def _flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in values.items():
        found |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
    return found


def check_same_data(run: Run, task: Task) -> None:
    """Raise RunError if a task is not of the clips that the run was trained on, saying in what they differ."""
    before, now = run.info["data"], task.description()
    root = task.clipset.root
    if run.classes != list(task.clipset.classes):
        unlike = sorted(set(run.classes) ^ set(task.clipset.classes))[:3]
        what = f"{len(task.clipset.classes)} classes where it had {len(run.classes)}" + (
            f" ({', '.join(unlike)} ...)" if unlike else ", in another order"
        )
    elif before.get("counts") != now["counts"]:
        what = f"{_counted(now['counts'])} where it had {_counted(before.get('counts') or {})}"
    elif before.get("fingerprint", now["fingerprint"]) != now["fingerprint"]:
        what = "clips of other names, labels or content"
    else:
        return
    raise RunError(
        f"{root} is not the data set that run {run.name} was trained on: {what}; give --data the one at "
        f"{before.get('root')}, wherever it is now, or train a new run"
    )


def _counted(counts: dict[str, int]) -> str:
    return f"{counts.get('train')} training and {counts.get('validation')} validation clips"


def resume(
    run: Run,
    recipe: Recipe,
    task: Task,
    *,
    watch: Watch | None = None,
    stop_on: str | None = None,
    until: int | None = None,
) -> Trained:
    """Go on with a run from its newest checkpoint that can be read, to the recipe's end, or to a pause at `until`.

    What was recorded after it is moved to `superseded/<number>/`. On a CPU, with as many threads, weights, evaluations
    and rows come out as if nothing had happened.
    Raises RunError or RecipeError, before anything is changed, for what cannot be resumed.
    """
    check_same_data(run, task)
    training = Training(recipe, task, watch, stop_on, until=until)
    try:
        with opened(run.path) as folder:
            training.resumed = _put_back(run, folder, training)
    except StoreError:
        raise
    except OSError as error:
        raise RunError(f"{run.path} cannot be written ({error.strerror or error}); see to the disk") from error
    return training.run(run.path)


def _put_back(run: Run, folder: Path, training: Training) -> Resumed:
    """The run's newest checkpoint taken over, and what was recorded after it out of its folder."""
    damaged, state = _newest_usable(run, folder, training)
    iteration, wanted = state["iteration"], training.recipe.iterations
    if wanted < iteration:
        raise RecipeError(
            f"iterations is {wanted}, and run {run.name} has a checkpoint at {iteration} already; give more"
        )
    evaluated = training.progress.last["iteration"] == iteration
    return Resumed(state, *supersede(folder, iteration, evaluated=evaluated, checkpoints=damaged))


def _newest_usable(run: Run, folder: Path, training: Training) -> tuple[list[Path], dict[str, Any]]:
    """Newer checkpoints that cannot be used, and the state of the one that was taken."""
    damaged: list[Path] = []
    faults: list[RunError] = []
    for path in reversed(pairs(folder)):
        try:
            return damaged, training.take(path)
        except RunError as error:
            damaged.append(path)
            faults.append(error)
    if faults:
        raise faults[0]
    why = "an earlier Flatline wrote it" if checkpoints_of(folder) else "it was stopped before the first one"
    raise RunError(f"run {run.name} has no checkpoint to go on from ({why}); train a new run")


def trained_already(run: Run) -> Trained:
    """A finished run, as training returns one."""
    rows = run.evaluation_scalars.reset_index().to_dict("records")
    best = max(rows, key=lambda row: row["lwlrap"], default={})
    return Trained(run.path, run.status, rows[-1] if rows else {}, best)
