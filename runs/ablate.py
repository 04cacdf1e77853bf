"""`flatline ablate`: what each part of a run's network carries of the score, tried on its checkpoint and kept in it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.table import Table
from rich.text import Text

from ..diagnostics.ablation_shares import Ablation, PartShare, in_words, meaning
from ..diagnostics.errors import RunError
from .ablating import ablation_of
from .ablations import as_json as shares_as_json
from .ablations import write_ablation
from .checkpoints import facts_of, find, load_weights_at
from .display import fitted, number, stdout
from .jsons import to_json
from .locking import FolderLock
from .network import build_network, device_of
from .recipe import Recipe, recipe_from_dict
from .resume import check_same_data
from .run import Run
from .task import Task

GIVEN_UP = {"what follows": 24}
"""Columns of the table that a narrow terminal does not show (see `fitted`)."""


@dataclass(frozen=True)
class Ablatable:
    """A run whose network can be built again, and one of its checkpoints."""

    run: Run
    recipe: Recipe
    checkpoint: Path
    iteration: int


@dataclass(frozen=True)
class Ablated:
    """What was found of a run's network at an iteration, and the file that keeps it."""

    run: Run
    checkpoint: Path
    iteration: int
    ablation: Ablation
    file: Path

    def to_json(self) -> dict[str, Any]:
        """As `flatline ablate --json` prints it."""
        about = {"run": self.run.path, "iteration": self.iteration, "checkpoint": self.checkpoint}
        return {**about, **shares_as_json(self.ablation), "file": self.file}


def ablatable(run: Run, which: str) -> Ablatable:
    """A run's checkpoint, "last" or "best".

    Raises RunError for a run without a recipe, checkpoint or folder of its own, and while it is being written.
    """
    if not run.recipe or "data" not in run.info:
        raise RunError(
            f"run {run.name} was recorded from a training loop of your own, so there is no recipe to build its network "
            "by; call flatline.ablate(model, batches) in that loop and pass what it gives to Recorder.evaluation"
        )
    if not isinstance(run.path, Path):
        raise RunError(f"run {run.name} lies in a store, where nothing can be added to it; copy it to a folder first")
    FolderLock(run.path).close()  # known now rather than after minutes
    found = find(run.path, which)
    facts = facts_of(found[-1]) if found else None
    if facts is None:
        what = f"cannot be read ({found[-1]})" if found else "is not there"
        raise RunError(
            f"checkpoint {which} of run {run.name} {what}; name another with --checkpoint, or train it with "
            "`flatline train`"
        )
    return Ablatable(run, recipe_from_dict(run.recipe, f"run {run.name}"), found[-1], facts.iteration)


def ablate_run(given: Ablatable, task: Task, progress: Callable[[int, int], None] | None = None) -> Ablated:
    """Ablate a checkpoint on all validation clips and keep what was found under the run's `ablations/`.

    Raises RunError if the task is not of the run's own clips, or if its folder cannot be written.
    """
    check_same_data(given.run, task)
    model = build_network(given.recipe, len(given.run.classes), task.settings.n_mels)
    load_weights_at(given.checkpoint, model)
    found = ablation_of(model.to(device_of(given.recipe)), task, given.recipe, progress=progress)
    file = write_ablation(given.run.path, given.iteration, found, given.checkpoint.name)
    return Ablated(given.run, given.checkpoint, given.iteration, found, file)


def print_ablated(ablated: Ablated, *, as_json: bool) -> None:
    """The shares, and what they mean; or JSON with absolute paths."""
    if as_json:
        print(to_json(ablated.to_json(), indent=1))
        return
    console, found = stdout(), ablated.ablation
    console.print(Text(f"{ablated.run.name} at iteration {ablated.iteration}: {found.standing()}", "italic"))
    console.print(ablation_table(found, console.width))
    for sentence in conclusions(found):
        console.print(Text(sentence), soft_wrap=True)


def ablation_table(ablation: Ablation, width: int) -> Table:
    """The shares for a terminal of that many characters."""
    parts = ablation.different
    columns = {
        "without": [Text(part.label) for part in parts],
        "score": [Text(number(part.score)) for part in parts],
        "share of\nthe score": [Text(_percent(part.share)) for part in parts],
        "95 %\ninterval": [Text(_interval(part)) for part in parts],
        "what follows": [Text(meaning(part).lstrip(": ") or "") for part in parts],
    }
    right = ("score", "share of\nthe score", "95 %\ninterval")
    return fitted(columns, width, given_up=GIVEN_UP, right=right)


def conclusions(ablation: Ablation) -> list[str]:
    """What it means in sentences: of the RNNs, the maps, and the order of the input's frames."""
    told = [part for part in ablation.different if part.part.startswith(("rnn", "attention"))]
    told += [part for part in ablation.parts if part.part == "frame_shuffle.input"]
    return [_sentence(part) for part in told] if ablation.has_shares else []


def _sentence(part: PartShare) -> str:
    words = in_words(part)
    return f"{words[0].upper()}{words[1:]}."


def _percent(share: float) -> str:
    return "–" if share != share else f"{round(share * 100) + 0:d} %"


def _interval(part: PartShare) -> str:
    return "–" if part.low != part.low else f"{round(part.low * 100) + 0:d} to {round(part.high * 100) + 0:d} %"
