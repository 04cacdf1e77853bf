"""lwlrap of a story recipe at several widths of the GRU, whole and with the RNN's output replaced by its mean.

    .venv/bin/python tests/benchmarks/widths.py story-attention --widths 24 64 128 --seeds 0 1

Numbers of docs/design.md ("The story's network") and docs/recipes.md ("learns round the RNN") are from here.
"""

import argparse
import dataclasses
import tempfile
from pathlib import Path

import torch
from flatline.diagnostics.lwlrap import lwlrap
from flatline.models import Tagger
from flatline.runs.checkpoints import load_weights
from flatline.runs.commands import make_data
from flatline.runs.demo import embedded_data
from flatline.runs.evaluate import scores_of
from flatline.runs.recipe import Recipe, load_recipe
from flatline.runs.task import Task, prepare
from flatline.runs.train import make_model, train


def scores(recipe: Recipe, task: Task) -> tuple[float, float]:
    """Train; lwlrap at the end, whole and without what the RNN tells of a clip and a frame."""
    with tempfile.TemporaryDirectory() as logs:
        trained = train(recipe, task, Path(logs))
        model = make_model(recipe, task)
        load_weights(trained.path, model, ("last",))
    whole = score(model, task)
    recur = model.recur
    model.recur = lambda features: (hidden := recur(features)).mean(dim=(0, 1), keepdim=True).expand_as(hidden)
    return whole, score(model, task)


def score(model: Tagger, task: Task) -> float:
    """lwlrap on all validation clips as one batch, so that a mean over the batch is one over them all."""
    given, _ = scores_of(model, task.validation_batches(len(task.validation)), use_mask=False)
    return lwlrap(given, task.targets[task.validation])


def main() -> None:
    """A line a width and seed."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("recipe")
    arguments.add_argument("--data", type=Path)
    arguments.add_argument("--iterations", type=int)
    arguments.add_argument("--widths", type=int, nargs="+", default=[24, 64, 128])
    arguments.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    given = arguments.parse_args()
    torch.set_num_threads(1)
    data = given.data or make_data(embedded_data(), seed=0)
    for width in given.widths:
        for seed in given.seeds:
            recipe = load_recipe(
                given.recipe, [f"model.options.n_hidden={width}"], iterations=given.iterations, seed=seed
            )
            whole, bypassed = scores(dataclasses.replace(recipe, pinned=0), prepare(recipe, data))
            print(f"{given.recipe} width {width} seed {seed}: {whole:.3f}, RNN at its mean {bypassed:.3f}", flush=True)


if __name__ == "__main__":
    main()
