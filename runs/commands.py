"""What the commands do, with what a person sees on the way."""

from pathlib import Path

from rich import box
from rich.table import Table

from ..data import Problem, check_dataset, make_dataset
from ..diagnostics.errors import RunError
from . import demo as story
from . import predict as prediction
from .display import ERRORS, SCORES, counting, number, stdout, training
from .recipe import load_recipe
from .run import Run
from .task import prepare
from .train import Trained
from .train import train as train_recipe


def train(
    recipe: str,
    *,
    data: Path | None,
    logs: Path,
    name: str | None,
    settings: list[str],
    iterations: int | None,
    seed: int | None,
) -> Trained:
    """Train by a recipe given by name or file; without a data root, on the embedded data."""
    wanted = load_recipe(recipe, settings, iterations=iterations, seed=seed)
    root = make_data(story.embedded_data(), seed=0) if data is None else data
    with counting("log-mel frames") as progress:
        task = prepare(wanted, root, progress=progress)
    if task.skipped:
        ERRORS.print(f"{task.skipped} clips are left out; `flatline data check {root}` lists them", soft_wrap=True)
    with training(wanted.iterations) as watch:
        return train_recipe(wanted, task, logs, name=name, watch=watch)


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


def demo(logs: Path, *, quick: bool) -> list[story.Chapter]:
    """Train the story on the embedded data and print what came of it."""
    recipes = story.STORY if quick else story.WHOLE_STORY
    data = make_data(story.embedded_data(), seed=0)
    with counting("runs of the story") as progress:
        done: list[str] = []

        def told(recipe: str, run: Run) -> None:
            done.append(recipe)
            progress(len(done), len(recipes))

        progress(0, len(recipes))
        chapters = story.tell_story(recipes, data, logs, story.QUICK_ITERATIONS if quick else None, told)
    stdout().print(story_table(chapters), story.moral(chapters))
    return chapters


def story_table(chapters: list[story.Chapter]) -> Table:
    """The story as a table, every score beside what it must be held against."""
    table = Table(title="One network, kept from learning and brought to it", title_justify="left", box=box.SIMPLE)
    for heading in ("recipe", *SCORES, "gradient\nend/peak", "same class\non top", "what came of it"):
        table.add_column(heading, justify="left" if heading[0] in "rw" else "right", no_wrap=True)
    for chapter in chapters:
        scores = [number(value) for value in (chapter.lwlrap, chapter.chance, chapter.constant)]
        state = "[green]learns[/]" if chapter.learnt else "[red]at the constant level[/]"
        table.add_row(chapter.recipe, *scores, number(chapter.gradient_end), f"{chapter.top_class_share:.0%}", state)
    return table


def make_data(directory: Path, seed: int) -> Path:
    """Write the embedded data set, or find it whole where it was written before."""
    with counting("clips of the embedded data") as progress:
        return make_dataset(directory, seed=seed, progress=progress)


def check_data(root: Path) -> list[Problem]:
    """Everything that is wrong with a data set, notes last."""
    with counting("clips checked") as progress:
        return check_dataset(root, progress=progress)
