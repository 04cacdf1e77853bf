"""Runs whose attributions can be computed: two small networks, trained for six iterations on real audio.

On spoken digits where they are, else on the embedded sounds.
"""

import csv
import shutil
from pathlib import Path

from flatline.runs.recipe import load_recipe
from flatline.runs.run import Run
from flatline.runs.task import prepare
from flatline.runs.train import train

SPOKEN = Path(__file__).parents[2] / ".." / "shared" / "data" / "spoken-tags"

SMALL = ("model.options.channels=2", "model.options.n_hidden=4", "batch_size=8", "iterations=6", "evaluate_every=3")

RECIPES = ("story-published", "story-double-sigmoid")

N_TRAIN, N_TEST = 24, 8
"""Clips of the spoken digits that are taken: all of them would be most of the test's time."""


def make(logs: Path, root: Path) -> None:
    """Train one run a recipe into a folder of runs."""
    for name in RECIPES:
        recipe = load_recipe(name, [*SMALL, "ablate=false"])
        train(recipe, prepare(recipe, root), logs, name=name)


def few(spoken: Path, root: Path) -> Path:
    """A data root of the first clips of the spoken digits, with their true onsets."""
    names: set[str] = set()
    for split, count in (("train_curated", N_TRAIN), ("test", N_TEST)):
        (root / split).mkdir(parents=True)
        rows = _rows(spoken / f"{split}.csv")
        taken = [rows[0], *rows[1:][:count]]
        _write(root / f"{split}.csv", taken)
        for fname, *_ in taken[1:]:
            shutil.copy(spoken / split / fname, root / split / fname)
            names.add(fname)
    events = _rows(spoken / "events.csv")
    _write(root / "events.csv", [events[0], *(row for row in events[1:] if row[0] in names)])
    return root


def others(run: Run) -> list[str]:
    """Clips of a run's data that it has not pinned."""
    pinned = run.info.get("clips") or []
    return [
        path.name for path in sorted((Path(run.info["data"]["root"]) / "test").iterdir()) if path.name not in pinned
    ]


def _rows(path: Path) -> list[list[str]]:
    with path.open(newline="", encoding="utf-8-sig") as file:
        return list(csv.reader(file))


def _write(path: Path, rows: list[list[str]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
