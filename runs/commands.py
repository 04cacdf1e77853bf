"""What the commands do, with what a person sees on the way."""

import os
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..data import DataError, Problem, check_dataset, make_dataset
from ..diagnostics.check import Checked
from ..diagnostics.errors import RunError
from . import demo as story
from . import demo_trials as trials
from . import predict as prediction
from . import resume as resuming
from .ablate import Ablated, ablatable, ablate_run
from .check import check_recipe
from .diagnosing import COLOURS
from .display import ERRORS, SCORES, counting, fitted, number, stdout, training
from .log import claim
from .moving import remove
from .places import is_remote
from .recipe import Recipe, RecipeError, load_recipe
from .revive import telling
from .revive.printing import revival_table
from .revive.revived import Revived
from .run import Run
from .run_folder import check_store
from .summary import remember
from .task import Task, prepare
from .train import Trained
from .train import train as train_recipe

GIVEN_UP = {"same class\non top": 18, "gradient\nend/peak": 18, "verdict": 12}
"""Columns of the story's table that a narrow terminal does not show (see `fitted`)."""


def train(
    recipe: str | None,
    *,
    data: Path | None,
    logs: Path,
    name: str | None,
    settings: list[str],
    iterations: int | None,
    seed: int | None,
    resume: str | None = None,
    stop_on: str | None = None,
) -> Trained:
    """Train by a recipe given by name or file, or go on with a run; without a data root, on the embedded data."""
    if resume is not None:
        if name is not None:
            raise RecipeError(f"--name {name} is for a new run, and --resume goes on with one; leave one of them out")
        return _resume(resume, recipe, data, logs, settings, stop_on, iterations=iterations, seed=seed)
    if recipe is None:
        raise RecipeError("there is no RECIPE (flatline train); give one of `flatline recipes`, or --resume RUN")
    wanted = load_recipe(recipe, settings, iterations=iterations, seed=seed)
    check_writable(logs)
    task = prepared(wanted, embedded_data() if data is None else data)
    with training(wanted.iterations) as watch:
        trained = train_recipe(wanted, task, logs, name=name, watch=watch, stop_on=stop_on)
    remember(trained.path)
    return trained


def _resume(
    address: str,
    recipe: str | None,
    data: Path | None,
    logs: Path,
    settings: list[str],
    stop_on: str | None,
    **overrides: int | None,
) -> Trained:
    """Go on with a run on the data that it was trained on, wherever it says they are, or `data` is."""
    run = resuming.run_to_resume(address, logs)
    if run.status == "finished":
        ERRORS.print(f"{run.name} is finished already; it is left as it is", soft_wrap=True)
        return resuming.trained_already(run)
    wanted = resuming.recipe_of(run, recipe, settings, **overrides)
    check_writable(run.path)
    task = prepared(wanted, data_of(run) if data is None else data)
    with training(wanted.iterations) as watch:
        trained = resuming.resume(run, wanted, task, watch=watch, stop_on=stop_on)
    remember(trained.path)
    return trained


def data_of(run: Run) -> Path:
    """The data root that a run was trained on, the embedded one made where it is not there yet.

    Raises RunError where it is no longer there.
    """
    recorded = run.info["data"].get("root")
    if recorded is None or Path(recorded) == story.embedded_data().resolve():
        return embedded_data()
    if not Path(recorded).is_dir():
        raise RunError(f"the data of run {run.name} are no longer at {recorded}; say where they are with --data")
    return Path(recorded)


def prepared(recipe: Recipe, root: Path) -> Task:
    """What a recipe makes of a data root, with a bar, and a line on what was left out."""
    with counting("log-mel frames") as progress:
        task = prepare(recipe, root, progress=progress)
    if task.skipped:
        ERRORS.print(f"{task.skipped} clips are left out; `flatline data check {root}` lists them", soft_wrap=True)
    return task


def check(recipe: str, *, data: Path | None, settings: list[str], seed: int | None) -> tuple[Recipe, Checked]:
    """What is wrong with a recipe before its first iteration; without a data root, on the embedded data."""
    wanted = load_recipe(recipe, settings, seed=seed)
    return wanted, check_recipe(wanted, prepared(wanted, embedded_data() if data is None else data))


def predict(name: str, logs: Path, data: Path, output: Path, *, skip_bad: bool) -> None:
    """Write the scores of the clips under `data` by a run, in Kaggle's submission form."""
    with counting("log-mel frames") as progress:
        table, left_out = prediction.predict(Run(name, logs), data, skip_bad=skip_bad, progress=progress)
    for problem in left_out:
        ERRORS.print(f"left out: {problem}", soft_wrap=True)
    try:
        table.to_csv(output, index=False, float_format="%.6f")
    except OSError as error:
        raise RunError(f"{output} cannot be written ({error.strerror or error}); choose another with -o") from None


def ablate(name: str, logs: Path, *, data: Path | None, checkpoint: str) -> Ablated:
    """What each part of a run's network carries, on the clips it was evaluated on; kept in the run."""
    given = ablatable(Run(name, logs), checkpoint)
    task = prepared(given.recipe, data_of(given.run) if data is None else data)
    with counting("passes through the network") as progress:
        return ablate_run(given, task, progress)


def demo(logs: Path, *, quick: bool) -> list[str]:
    """Tell the story on the embedded data, with a line as each run starts and ends: what came of it, and what cures it.

    quick : four shorter runs, and no cures
    Returns the names of the runs that are best looked at side by side.
    """
    recipes = story.STORY if quick else story.WHOLE_STORY
    check_writable(logs)
    chapters = _trained(recipes, embedded_data(), logs, story.QUICK_ITERATIONS if quick else None)
    console = stdout()
    console.print(Text("One network, kept from learning and brought to it", "italic"))
    console.print(story_table(chapters, console.width))
    console.print(story.moral(chapters))
    if quick:
        console.print(Text(trials.LEFT_OUT), soft_wrap=True)
        return trials.compared(chapters, [])
    return trials.compared(chapters, _cured(console, chapters))


def _trained(recipes: tuple[str, ...], data: Path, logs: Path, iterations: int | None) -> list[story.Chapter]:
    with counting("runs of the story") as progress:
        since: dict[str, float] = {}
        ended: list[str] = []

        def started(recipe: str) -> None:
            since[recipe] = time.monotonic()
            print(f"{recipe} starts", flush=True)

        def told(recipe: str, run: Run) -> None:
            ended.append(recipe)
            print(_ending(story.chapter(recipe, run), time.monotonic() - since[recipe]), flush=True)
            progress(len(ended), len(recipes))

        progress(0, len(recipes))
        return story.tell_story(recipes, data, logs, iterations, told, started)


def _cured(console: Console, chapters: list[story.Chapter]) -> list[Revived]:
    """Trials of each collapsed run, a line as each stage begins and ends; then what they prescribe."""
    sick = trials.collapsed(chapters)
    if not sick:
        return []
    console.print(Text("What would have cured the runs that collapsed?", "italic"))
    revived = trials.cures(sick, lambda recipe, words: print(f"{recipe}: {words}", flush=True))
    for chapter, one in zip(sick, revived, strict=True):
        console.print(Text(f"\n{chapter.recipe} ({chapter.outcome})", "bold"))
        console.print(revival_table(one.arms, console.width))
        print_prescription(console, one)
    console.print(Text(f"\n{trials.LIMITS}"), soft_wrap=True)
    return revived


def print_prescription(console: Console, revived: Revived) -> None:
    """What to change, the score before and after, and what speaks against it."""
    console.print(Text(telling.headline(revived), "bold"))
    if revived.best == telling.UNCHANGED:
        return
    console.print(Text(telling.moved(revived)))
    if revived.diff:
        console.print(Text(revived.diff))
    for sentence in revived.against:
        console.print(Text(f"Against it: {sentence}"), soft_wrap=True)
    console.print(Text(f"flatline train {revived.recipe}", "dim"), soft_wrap=True)


def _ending(chapter: story.Chapter, seconds: float) -> str:
    lwlrap, chance, constant = (number(getattr(chapter, score)) for score in SCORES)
    return f"{chapter.recipe} ends: lwlrap {lwlrap} (chance {chance}, constant {constant}) after {seconds:.0f} s"


def story_table(chapters: list[story.Chapter], width: int) -> Table:
    """The story as a table, every score beside what it must be held against, for a terminal of that many characters."""
    columns = {"recipe": [Text(chapter.recipe) for chapter in chapters]}
    columns |= {score: [Text(number(getattr(chapter, score))) for chapter in chapters] for score in SCORES}
    columns |= {
        "gradient\nend/peak": [Text(number(chapter.gradient_end)) for chapter in chapters],
        "same class\non top": [Text(f"{chapter.top_class_share:.0%}") for chapter in chapters],
        "verdict": [_outcome(chapter) for chapter in chapters],
    }
    right = [heading for heading in columns if heading[0] not in "rw"]
    return fitted(columns, width, given_up=GIVEN_UP, right=right)


def _outcome(chapter: story.Chapter) -> Text:
    return Text(chapter.outcome, COLOURS[chapter.verdict])


def import_events(events: Path, logs: Path, name: str | None) -> Path:
    """Make a run under `logs` of TensorBoard events; its name is `name`, else that of the events, numbered if taken."""
    from .tensorboard import import_tensorboard

    check_writable(logs)
    given = events.resolve()
    path = claim(logs, name or (given.parent.name if given.is_file() else given.name), numbered=name is None)
    try:
        return import_tensorboard(events, path)
    except BaseException:
        remove(path)  # the claimed folder, and what was begun in it
        raise


def make_data(directory: Path, seed: int) -> Path:
    """Write the embedded data set, or find it whole where it was written before."""
    with counting("clips of the embedded data") as progress:
        return make_dataset(directory, seed=seed, progress=progress)


def check_writable(logs: Path) -> None:
    """Learn before the work, rather than after, that no run can be made under `logs`.

    Raises RunError.
    """
    if is_remote(logs):
        check_store(logs)
        return
    there = next(folder for folder in (logs, *logs.absolute().parents) if os.path.exists(folder))
    if not os.path.isdir(there):
        raise RunError(f"no run can be made in {logs} ({there} is a file); choose another folder with --logs")
    if not os.access(there, os.W_OK | os.X_OK):
        raise RunError(f"no run can be made in {logs} ({there} may not be written); choose another with --logs")


def embedded_data() -> Path:
    """The embedded data set in the user's cache, made where it is not there yet.

    Raises DataError naming FLATLINE_CACHE where the cache cannot be written.
    """
    place = story.embedded_data()
    try:
        return make_data(place, seed=0)
    except DataError as error:
        raise DataError(f"{error} (FLATLINE_CACHE names the folder of the cache)") from None


def check_data(root: Path) -> list[Problem]:
    """Everything that is wrong with a data set, notes last."""
    with counting("clips checked") as progress:
        return check_dataset(root, progress=progress)
