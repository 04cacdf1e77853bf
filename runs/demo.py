"""The seed's story on the embedded data: the same network, kept from learning and brought to it."""

import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from ..data.cache import cache_root, n_cores
from ..data.make import VERSION
from ..diagnostics.errors import FlatlineError
from ..diagnostics.lwlrap import at_constant_level
from .diagnosing import diagnose
from .run import Run

STORY = ("story-double-sigmoid", "story-plain", "story-attention", "story-prior-bias")
WHOLE_STORY = (*STORY, "story-attention-double-sigmoid", "story-published")

QUICK_ITERATIONS = 250
"""Enough for attention and prior bias to leave the constant level by .1 and more, in five sevenths of the time."""

LEARN = ("story-attention", "story-prior-bias", "story-published")
"""Recipes that leave the constant level in our runs (docs/recipes.md); the others do not."""

EXPLANATION = """\
lwlrap is the score; chance is a random ranking's, constant that of one ranking for all clips.
Why, as our runs show it: a double sigmoid gives probabilities to a loss that takes logits, and its gradients die for
good. The plain net's loss fits, but every class starts at 1/2, and on the way down to the prior the GRU saturates; an
output bias started at the prior cures it. Attention on the input learns too, round the RNN. (That the original project
ran a double sigmoid is likely, not proven.)
"""

Started = Callable[[str], None]
Told = Callable[[str, Run], None]


class DemoError(FlatlineError):
    """A run of the demo that failed: no fault of what the user gave."""

    exit_code = 1


@dataclass(frozen=True)
class Chapter:
    """What one run of the story came to: the table's row.

    gradient_end : mean over the last 20 iterations of the tensors' mean gradient norm, as a share of its peak
    top_class_share : share of the last batch's clips that have the same class on top
    verdict, cause : of its diagnosis
    """

    recipe: str
    run: str
    lwlrap: float
    chance: float
    constant: float
    gradient_end: float
    top_class_share: float
    verdict: str
    cause: str | None

    @property
    def outcome(self) -> str:
        """The verdict, and the cause where there is one."""
        return self.verdict if self.cause is None else f"{self.verdict}: {self.cause}"

    @property
    def learnt(self) -> bool:
        """Whether the score is above the constant level."""
        return at_constant_level(self.lwlrap, self.chance, self.constant) is False


def embedded_data() -> Path:
    """Where the demo keeps the embedded data: the user's cache."""
    return cache_root() / f"embedded-{VERSION}"


def tell_story(
    recipes: tuple[str, ...],
    data: Path,
    logs: Path,
    iterations: int | None,
    told: Told,
    started: Started = lambda recipe: None,
) -> list[Chapter]:
    """Train every recipe, as many at a time as there are cores; one chapter each, in the recipes' order.

    told : called with a recipe's name and its run as each one ends
    started : called with a recipe's name, from another thread, as each one starts
    Raises DemoError with the last line of what a failed run said.
    """
    at_once = min(len(recipes), n_cores())

    def run(recipe: str) -> Run:
        started(recipe)
        return _train(recipe, data, logs, iterations, n_cores() // at_once)

    with ThreadPoolExecutor(at_once) as pool:
        futures = {pool.submit(run, recipe): recipe for recipe in recipes}
        try:
            for future in as_completed(futures):
                told(futures[future], future.result())
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return [chapter(recipe, future.result()) for future, recipe in futures.items()]


def chapter(recipe: str, run: Run) -> Chapter:
    """The table's row of a finished run."""
    last, diagnosis = run.evaluations.iloc[-1], diagnose(run)
    norms = run.series("gradient_norm_mean")
    return Chapter(
        recipe,
        str(run.path),
        float(last.lwlrap),
        float(last.chance),
        float(last.constant),
        float(norms.iloc[-20:].mean() / norms.max()),
        float(run.series("top_class_share").iloc[-1]),
        diagnosis.verdict,
        diagnosis.cause,
    )


def moral(chapters: list[Chapter]) -> str:
    """What stands under the table: why it comes out so, and which runs came out otherwise this time."""
    otherwise = [chapter.recipe for chapter in chapters if chapter.learnt != (chapter.recipe in LEARN)]
    return EXPLANATION + (f"Otherwise than in our runs: {', '.join(otherwise)}.\n" if otherwise else "")


def _train(recipe: str, data: Path, logs: Path, iterations: int | None, threads: int) -> Run:
    """One run in a process of its own: small nets gain little from a second thread and everything from a second run."""
    command = [sys.executable, "-m", "flatline", "train", recipe, "--data", data, "--logs", str(logs)]
    if iterations is not None:
        command += ["--iterations", str(iterations)]
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise DemoError(f"the run of {recipe} ended with exit code {done.returncode}: {last}")
    return Run(done.stdout.splitlines()[-1])
