"""What a doctor may ask of whoever trains arms, and the trials of a run that was trained by a recipe."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from math import ceil
from pathlib import Path
from typing import Any, Protocol

from ...data.parallel import n_cores
from ...diagnostics.errors import RunError
from ..interventions import Intervention, Patient, interventions
from ..log import read_info
from ..network import gives
from ..read_once import ReadOnce
from ..recipe import Recipe, RecipeError, recipe_from_dict
from ..run import Run
from ..run_folder import claim
from .arms import UNCHANGED, Arm
from .workers import Workers

MARK = "~"
"""Between the names of a run and of what was changed in it, in an arm's folder; no address needs it escaped."""

Told = Callable[[Sequence[Arm], int, int], None]
"""Called with the arms under way, and iterations done and to do of this round."""


class Trials(Protocol):
    """Whoever can train arms of one run.

    begin, iterations : where arms begin and how far they go
    seen_from : iteration before which no arm can show that it helps: what is wrong had not begun
    every : iterations between evaluations, at which alone an arm can be paused
    spent : iterations trained so far, of all arms
    known : interventions by name
    """

    known: Mapping[str, Intervention]
    begin: int
    seen_from: int
    iterations: int
    every: int
    spent: int

    def control(self) -> Arm:
        """The run as it is, trained as far as the arms will be."""
        ...

    def why_not(self, arm: Arm, name: str) -> str | None:
        """Why an intervention cannot be tried on an arm; None where it can."""
        ...

    def prescribe(self, arm: Arm, name: str) -> Arm:
        """A new arm, not yet trained, with one intervention more."""
        ...

    def train(self, arms: Sequence[Arm], until: int) -> list[Arm]:
        """The arms, trained as far as that; one that could not be trained says so in its note and has no standing."""
        ...

    def drop(self, arms: Sequence[Arm]) -> None:
        """These will not be trained further."""
        ...


class RecipeTrials:
    """Trials of a run that was trained by a recipe: each arm is a run beside it, trained by a changed recipe.

    An arm that an earlier call trained by the same recipe is gone on with, or taken as it stands.

    run : the patient
    data : root
    iterations : to which every arm goes, up to the next evaluation; None is as far as the run was planned
    begin : iteration of its checkpoint from which arms go on, as far as their networks allow
    jobs : arms at a time; None is one a core
    Raises RunError where arms would have nothing to train.
    """

    def __init__(
        self,
        run: Run,
        data: Path,
        *,
        iterations: int | None = None,
        begin: int = 0,
        jobs: int | None = None,
        told: Told | None = None,
    ) -> None:
        own = recipe_from_dict(run.recipe, f"run {run.name}")
        self.run, self.data, self.begin, self.seen_from = run, data, begin, begin
        wanted = own.iterations if iterations is None else iterations
        # At an evaluation, so that arms and control can be compared there.
        self.iterations = min(ceil(wanted / own.evaluate_every) * own.evaluate_every, max(wanted, own.iterations))
        if begin >= self.iterations:
            raise RunError(f"arms would begin at {begin} and end at {self.iterations} (revive); give more --iterations")
        self.every, self.spent = own.evaluate_every, 0
        self.known = {one.name: one for one in interventions()}
        self.seed = own.seed
        self.own = replace(own, iterations=self.iterations, early_stop=None)
        self._recipes: dict[tuple[str, ...], Recipe] = {(): self.own}
        at_once = min(n_cores(), jobs or n_cores())
        self._workers = Workers(at_once, max(1, n_cores() // at_once))
        self._told = told or (lambda arms, done, total: None)

    def control(self) -> Arm:
        """The run itself where it was trained that far; else an arm of its own, with nothing changed."""
        evaluated = self.run.evaluations.index
        if len(evaluated) and evaluated[-1] >= self.iterations:
            return Arm((), self.run.path, seconds=seconds_of(self.run)).stands(self.iterations, whole=True)
        (arm,) = self.train([Arm(())], self.iterations)
        if arm.standing is None:
            raise RunError(f"the control arm of {self.run.name} {arm.note}")
        return arm

    def why_not(self, arm: Arm, name: str) -> str | None:
        """Why it cannot be tried on an arm."""
        recipe, one = self.recipe_of(arm), self.known[name]
        patient = self._patient(arm)
        why = one.why_not(recipe, patient)
        if why is None and one.recipe(recipe, patient) == recipe:
            return "it changes nothing here"
        return why

    def prescribe(self, arm: Arm, name: str) -> Arm:
        """A new arm with one intervention more."""
        one = self.known[name]
        given = (*arm.given, name)
        self._recipes[given] = one.recipe(self.recipe_of(arm), self._patient(arm))
        return Arm(given)

    def recipe_of(self, arm: Arm) -> Recipe:
        """By which an arm is trained, under the name of the run's own recipe."""
        return self._recipes[arm.given]

    def train(self, arms: Sequence[Arm], until: int) -> list[Arm]:
        """The arms, as far as that."""
        return self._train([(arm, None) for arm in arms], until)

    def drop(self, arms: Sequence[Arm]) -> None:
        """Nothing to do: a paused arm is a run on the disk."""

    def train_seeds(self, arm: Arm, seeds: Sequence[int], until: int) -> list[Arm]:
        """The arm with each of these seeds, from the beginning."""
        return self._train([(Arm(arm.given), seed) for seed in seeds], until)

    def _train(self, arms: Sequence[tuple[Arm, int | None]], until: int) -> list[Arm]:
        placed = [self._placed(arm, seed) for arm, seed in arms]
        seeds = {str(arm.path): seed for arm, (_, seed) in zip(placed, arms, strict=True)}
        todo = [arm for arm in placed if _reached(arm) < until]
        done = {str(arm.path): _reached(arm) for arm in todo}
        begun, total = dict(done), sum(until - at for at in done.values())

        def progress(path: str, at: int) -> None:
            done[path] = at
            self._told(todo, sum(done.values()) - sum(begun.values()), total)

        self._told(todo, 0, total)
        said = self._workers.run([self._job(arm, until, seeds[str(arm.path)]) for arm in todo], progress)
        answers = dict(zip(done, said, strict=True))
        return [self._trained(arm, until, answers.get(str(arm.path), {}), begun) for arm in placed]

    def close(self) -> None:
        """End the processes."""
        self._workers.close()

    def _job(self, arm: Arm, until: int, seed: int | None) -> dict[str, Any]:
        began = self.begin if seed is None else 0
        about = {"run": self.run.name, "path": str(self.run.path), "from_iteration": began, "given": list(arm.given)}
        return {
            "path": str(arm.path),
            "recipe": self._named(arm, seed).to_dict(),
            "data": str(self.data),
            "until": until,
            "given": list(arm.given),
            "parent": str(self.run.path),
            "from_iteration": began,
            "about": {"parent": about},
        }

    def _trained(self, arm: Arm, until: int, said: dict[str, Any], begun: dict[str, int]) -> Arm:
        if said.get("interrupted"):
            raise KeyboardInterrupt
        if "error" in said:
            return replace(arm, standing=None, note=f"could not be trained: {said['error']}")
        self.spent += until - max(begun[str(arm.path)], began_at(arm)) if said else 0
        return replace(arm, seconds=arm.seconds + said.get("seconds", 0.0)).stands(until)

    def _named(self, arm: Arm, seed: int | None) -> Recipe:
        recipe = replace(self.recipe_of(arm), name=MARK.join([self.own.name, *(arm.given or (UNCHANGED,))]))
        return recipe if seed is None else replace(recipe, seed=seed)

    def _placed(self, arm: Arm, seed: int | None) -> Arm:
        """The arm with a folder: that of an earlier call where it was trained by the same recipe."""
        if arm.path is not None:
            return arm
        parts = [self.run.name, *(arm.given or (UNCHANGED,)), *([] if seed is None else [f"seed-{seed}"])]
        path = self.run.path.parent / MARK.join(parts)
        if _trained_by(path, self._named(arm, seed), self.begin if seed is None else 0):
            return replace(arm, path=path, seconds=seconds_of(ReadOnce(path)))
        if path.is_dir() and not any(path.iterdir()):  # claimed by a call that was ended before it trained anything
            return replace(arm, path=path)
        return replace(arm, path=claim(path.parent, path.name, numbered=True))

    def _patient(self, arm: Arm) -> Patient:
        if arm.path is None or arm.standing is None:
            raise RunError(f"the arm {arm.name} was not trained, so nothing can be prescribed for it (revive)")
        recipe = self.recipe_of(arm)
        return Patient(recipe, gives(recipe), arm.standing.diagnosis, ReadOnce(arm.path), self.begin)


def began_at(arm: Arm) -> int:
    """The iteration at which an arm's own training began: its parent's checkpoint, or 0."""
    if arm.path is None or not (arm.path / "run.json").is_file():
        return 0
    return int((read_info(arm.path).get("parent") or {}).get("from_iteration", 0))


def _trained_by(path: Path, recipe: Recipe, begin: int) -> bool:
    """Whether an ended run by exactly that recipe, from there or from 0, stands in that folder."""
    if not (path / "run.json").is_file():
        return False
    info = read_info(path)
    try:
        own = recipe_from_dict(info.get("recipe") or {}, str(path))
    except RecipeError:
        return False
    began = (info.get("parent") or {}).get("from_iteration")
    return own == recipe and info.get("status") in ("finished", "interrupted") and began in (0, begin)


def _reached(arm: Arm) -> int:
    """The iteration of the arm's last evaluation."""
    if arm.path is None or not (arm.path / "run.json").is_file():
        return 0
    evaluated = ReadOnce(arm.path).evaluation_iterations
    return int(evaluated[-1]) if len(evaluated) else 0


def seconds_of(run: Run) -> float:
    """From the first recorded iteration to the last."""
    times = run.series("wall_time").dropna()
    return float(times.iloc[-1] - times.iloc[0]) if len(times) else 0.0
