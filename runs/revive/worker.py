"""The process that trains arms: `python -m flatline.runs.revive.worker` reads a job a line from stdin, and answers.

A job is JSON: `path`, `recipe`, `data`, `until`, `about`, `given`, and for a fork `parent` and `from_iteration`. Lines
with `at` tell how far it is; the last one of a job has `seconds` and `interrupted`, or `error`.
"""

import json
import shutil
import sys
import time
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from ..checkpoints import Facts, load_weights_at, pairs
from ..interventions import Loop, named
from ..network import build_network, starting_prior
from ..recipe import Recipe, recipe_from_dict
from ..resume import resume
from ..run import Run
from ..run_folder import make_folder
from ..task import Task, prepare
from ..train import Reached, Trained, Training
from .forking import fork

Job = Mapping[str, Any]


def work(job: Job, watch: Callable[[Reached], None]) -> Trained:
    """Train an arm to `until`: from its beginning, from its parent's checkpoint, or on from where it paused."""
    path, recipe = Path(job["path"]), recipe_from_dict(job["recipe"], "revive")
    task = _task(json.dumps(job["recipe"]["data"], sort_keys=True), recipe.seed, recipe.batch_size, job["data"])
    if not (path / "run.json").exists() and not (job["from_iteration"] and _forked(job, path, recipe, task)):
        make_folder(path, False)
        about = {"parent": {**job["about"]["parent"], "from_iteration": 0}}
        return Training(recipe, task, watch, until=job["until"], about=about).run(path)
    return resume(Run(path), recipe, task, watch=watch, until=job["until"])


@lru_cache(maxsize=4)
def _task(data: str, seed: int, batch_size: int, root: str) -> Task:
    recipe = recipe_from_dict({"data": json.loads(data), "seed": seed, "batch_size": batch_size}, "revive")
    return prepare(recipe, Path(root))


def _forked(job: Job, path: Path, recipe: Recipe, task: Task) -> bool:
    """Whether the arm could take over its parent's weights; where its network has others it starts from the beginning.

    What an intervention does to a network before its first iteration is done to these weights.
    """
    parent = Run(job["parent"])
    of_parent = recipe_from_dict(parent.recipe, f"run {parent.name}")
    sizes = [_sizes(one, task) for one in (of_parent, recipe)]
    if sizes[0] != sizes[1]:
        return False
    hidden = path.with_name(f".{path.name}.fork")  # renamed once it is whole: a kill must leave no arm half made
    shutil.rmtree(hidden, ignore_errors=True)
    fork(parent, job["from_iteration"], hidden, recipe, {**job["about"], "name": path.name})
    (weights,) = pairs(hidden)
    model = build_network(recipe, len(task.clipset.classes), task.settings.n_mels)
    load_weights_at(weights, model)
    loop = Loop(recipe.iterations, starting_prior(recipe, task), task.settings.n_frames)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)  # not whatever state the jobs before have left
        for intervention in named(job["given"]):
            intervention.on_model(model, loop)
    facts = Facts.read(weights)
    save_file({key: value.contiguous() for key, value in model.state_dict().items()}, weights, facts.written())
    hidden.rename(path)
    return True


def _sizes(recipe: Recipe, task: Task) -> dict[str, tuple[int, ...]]:
    model = build_network(recipe, len(task.clipset.classes), task.settings.n_mels)
    return {name: tuple(value.shape) for name, value in model.state_dict().items()}


def answer(job: Job) -> dict[str, Any]:
    """The last line of a job."""
    since = time.perf_counter()

    def tell(reached: Reached) -> None:
        if reached.iteration % 10 == 0:
            print(json.dumps({"at": reached.iteration}), flush=True)

    try:
        trained = work(job, tell)
    except Exception as error:  # whatever is wrong with one arm must not end the others
        return {"error": str(error) or type(error).__name__}
    paused = trained.last.get("iteration") == job["until"]
    return {
        "seconds": time.perf_counter() - since,
        "interrupted": trained.status == "interrupted" and not paused,
    }


def main() -> int:
    """Work until stdin ends."""
    for line in sys.stdin:
        said = answer(json.loads(line))
        print(json.dumps(said), flush=True)
        if said.get("interrupted"):
            break
    return 0


if __name__ == "__main__":
    sys.exit(main())
