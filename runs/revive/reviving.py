"""`flatline.revive`: trials of a run, and what comes of them."""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ...data import load_dataset
from ...diagnostics.diagnosis import Diagnosis
from ...diagnostics.errors import RunError
from ..addresses import LOGS
from ..diagnosing import diagnose
from ..intervals import interval
from ..interventions import Intervention, named
from ..locking import FolderLock
from ..read_once import ReadOnce
from ..recipe import Recipe
from ..run import Run
from .arms import Arm
from .doctor import DEPTH, ROUNDS, WIDTH, Course, treat
from .forking import last_healthy
from .prescription import against, as_diff, as_yaml
from .revived import RECIPE, Revived, keep
from .trials import RecipeTrials, Told, Trials, began_at

SEEDS = 3
"""Of the prescribed recipe, the run's own among them."""


ROUNDS_OWN = 3
"""Stages on one arm of a loop of one's own (`doctor.ROUNDS`): most arms there change nothing, and end at once."""


@dataclass(frozen=True)
class Budget:
    """What trials may take; None is no bound. Looked at before each stage and before the seeds."""

    minutes: float | None = None
    iterations: int | None = None

    def spent(self, since: float, trials: Trials) -> str | None:
        """Why nothing more is begun, in words; None while there is something left."""
        if self.minutes is not None and time.monotonic() - since >= 60 * self.minutes:
            return f"the budget of {self.minutes:g} minutes is spent"
        if self.iterations is not None and trials.spent >= self.iterations:
            return f"the budget of {self.iterations:,} iterations is spent"
        return None


def revive(
    run: Run | str | os.PathLike[str],
    *,
    iterations: int | None = None,
    arms: Sequence[str] | None = None,
    budget: Budget | None = None,
    data: Path | None = None,
    seeds: int = SEEDS,
    depth: int = DEPTH,
    width: int = WIDTH,
    jobs: int | None = None,
    trial: Callable[..., Run] | None = None,
    own: Sequence[Intervention] = (),
    say: Callable[[str], None] | None = None,
    told: Told | None = None,
) -> Revived:
    """Which change, or which few in which order, bring a run back, and by how much.

    Arms are runs beside it, trained for equal iterations from the run's beginning or from its last healthy checkpoint;
    what came of them is kept in the run's folder (`revive.json`, `prescription.yaml`).

    run : or its folder, or its name under ./logs
    iterations : to which every arm goes; None is as far as the run was planned
    arms : names of the interventions to try; None is what the diagnosis names
    data : data root; None is where the run was trained
    seeds : with which the prescription is tried, the run's own among them
    depth, width : interventions on top of each other, and arms of a stage, at most
    jobs : arms trained at a time; None is one a core
    trial : of a loop of your own (`runs.revive.own_loop`); left out, the run's recipe is trained
    own : interventions of that loop (`runs.revive.own_loop.Switch`)
    say, told : for a person: called with sentences, and as `Told`
    Raises RunError or UnknownNameError, before anything is trained, for what cannot be tried.
    """
    patient = ReadOnce(run.path if isinstance(run, Run) else run, LOGS)
    allowed = None if arms is None else [one.name for one in _named(arms, own)]
    _check(patient, trial)
    speak, since, bound = say or (lambda words: None), time.monotonic(), budget or Budget()
    if trial is not None:
        from .loop_trials import LoopTrials

        trials: Any = LoopTrials(patient, trial, iterations=iterations, own=own, told=told)
    else:
        begin = last_healthy(patient, _onset(diagnose(patient)))
        trials = RecipeTrials(patient, _root(patient, data), iterations=iterations, begin=begin, jobs=jobs, told=told)
    with closing(trials), _alone(patient):
        course = treat(
            trials,
            allowed=allowed,
            depth=depth,
            width=width,
            rounds=ROUNDS if trial is None else ROUNDS_OWN,
            enough=lambda: bound.spent(since, trials),
            say=speak,
        )
        stopped = bound.spent(since, trials) or ""
        again = [] if stopped else _seeds(trials, course, seeds, speak)
        return _kept(patient, trials, course, again, stopped, time.monotonic() - since)


@contextmanager
def _alone(run: Run) -> Iterator[None]:
    """While no other process tries anything on the run.

    Raises RunError where one does, naming it.
    """
    folder = run.path / ".revive"
    try:
        folder.mkdir(exist_ok=True)
        lock = FolderLock(folder)
    except OSError as error:
        raise RunError(f"{run.path} cannot be written ({error.strerror or error}); see to the disk") from error
    except RunError as error:
        raise RunError(f"run {run.name} is being revived already ({error})") from None
    try:
        yield
    finally:
        lock.close()


def _named(names: Sequence[str], own: Sequence[Intervention]) -> list[Intervention]:
    known = {one.name: one for one in own}
    return [known[name] if name in known else named([name])[0] for name in names]


def _check(run: Run, trial: Any) -> None:
    if trial is None and (not run.recipe or "data" not in run.info):
        raise RunError(
            f"run {run.name} was recorded from a training loop of your own, so there is no recipe to change; pass "
            "flatline.revive a trial function that trains it (docs/revive.md)"
        )
    if not isinstance(run.path, Path):
        raise RunError(f"run {run.name} lies in a store, where nothing can be added to it; copy it to a folder first")
    FolderLock(run.path).close()  # known now rather than after minutes: nobody else is writing there


def _onset(diagnosis: Diagnosis) -> int:
    """When what is to be cured began; 0 where nothing is wrong."""
    bad = [finding.onset for finding in diagnosis.findings if finding.severity != "info" and finding.is_active]
    return min(bad, default=0)


def _root(run: Run, data: Path | None) -> Path:
    recorded = run.info["data"].get("root")
    root = data if data is not None else Path(str(recorded))
    if not root.is_dir():
        raise RunError(f"the data of run {run.name} are no longer at {root}; say where they are with --data")
    load_dataset(root, on_problem="collect")  # known now rather than by every arm
    return root


def _seeds(trials: Any, course: Course, n: int, say: Callable[[str], None]) -> list[Arm]:
    """The best arm with other seeds, as far as the first went; with the run's own too where that one is a fork."""
    best = course.best
    if best is course.control or n < 2 or best.standing is None:
        return []
    first = trials.seed + (1 if began_at(best) == 0 else 0)
    seeds = range(first, trials.seed + n)
    say(f"{best.name}: with {len(seeds)} more seeds" + ("" if first > trials.seed else ", from the beginning"))
    return trials.train_seeds(best, seeds, best.standing.iterations)


def _kept(run: Run, trials: Any, course: Course, again: list[Arm], stopped: str, seconds: float) -> Revived:
    best = course.best
    alike = [best, *again] if began_at(best) == 0 or not again else again
    scored = [arm for arm in alike if arm.standing is not None] if best is not course.control else []
    scores = [arm.standing.lwlrap for arm in scored if arm.standing is not None]
    mean, low, high = interval(scores) if scores else (None, None, None)
    recipes = _recipes(trials, course)
    trained = [arm for arm in course.arms if arm.path != run.path and arm.standing is not None]
    whole = max(1, len(trained)) * (trials.iterations - trials.begin)
    revived = Revived(
        run=str(run.path),
        from_iteration=trials.begin,
        arms=[{**arm.row(), "note": arm.note} for arm in course.arms],
        stages=[_stage(stage) for stage in course.stages],
        best=best.name,
        diff="" if recipes is None else as_diff(*recipes),
        against=against(course, scores),
        seeds=[
            {"seed": _seed(arm), "run": str(arm.path), "lwlrap": arm.standing.lwlrap}
            for arm in scored
            if arm.standing is not None
        ],
        mean=mean,
        low=None if low is None or low != low else low,
        high=None if high is None or high != high else high,
        cost=sum(_trained(arm) for arm in trained) / whole if trained else None,
        seconds=round(seconds, 1),
        stopped=stopped,
        recipe=None if recipes is None or best is course.control else str(run.path / RECIPE),
    )
    text = None if revived.recipe is None or recipes is None else as_yaml(recipes[1], run.name, best.name)
    keep(run.path, revived, text)
    return revived


def _seed(arm: Arm) -> int | None:
    return None if arm.path is None else ReadOnce(arm.path).info.get("seed")


def _trained(arm: Arm) -> int:
    return 0 if arm.standing is None else max(0, arm.standing.iterations - began_at(arm))


def _recipes(trials: Any, course: Course) -> tuple[Recipe, Recipe] | None:
    if not isinstance(trials, RecipeTrials):
        return None
    return trials.recipe_of(course.control), replace(trials.recipe_of(course.best), name=trials.own.name)


def _stage(stage: Any) -> dict[str, Any]:
    return {
        "on": stage.on.name,
        "cause": stage.cause,
        "arms": [arm.name for arm in stage.arms],
        "kept": None if stage.kept is None else stage.kept.name,
        "why": stage.why,
        "skipped": stage.skipped,
    }
