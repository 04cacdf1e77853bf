"""What a course of treatment came to, as a run keeps it (`revive.json`); reading needs no torch."""

import itertools
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...diagnostics.errors import RunError
from ..jsons import write_file, write_json

FILE, RECIPE = "revive.json", "prescription.yaml"


@dataclass(frozen=True)
class Revived:
    """Trials of one run and what they say.

    run : its folder
    from_iteration : at which arms began, where their networks allow it
    arms : rows as `flatline revive --json` has them, the first `unchanged`; `note` says why one was not gone on with
    stages : of each what it was tried on, its `cause`, the `arms` tried, the one `kept` and `why`, and `skipped`
    best : name of the arm that is prescribed; "unchanged" where nothing helped
    diff : what it changes in the recipe, as lines; empty for a loop of one's own
    against : what speaks against it, in sentences
    seeds : `seed`, `run` and `lwlrap` of each seed of the best arm, the first that of the run
    mean, low, high : of these lwlraps, and the 95 % interval of the mean; None where there is none
    cost : iterations trained by the arms, over arms x iterations of an arm; a control that was there already is no arm
    stopped : why nothing more was tried
    recipe : file of the whole recipe; None for a loop of one's own
    """

    run: str
    from_iteration: int
    arms: list[dict[str, Any]]
    stages: list[dict[str, Any]]
    best: str
    diff: str = ""
    against: list[str] = field(default_factory=list)
    seeds: list[dict[str, Any]] = field(default_factory=list)
    mean: float | None = None
    low: float | None = None
    high: float | None = None
    cost: float | None = None
    seconds: float | None = None
    stopped: str = ""
    recipe: str | None = None

    def to_json(self) -> dict[str, Any]:
        """As `flatline revive --json` prints it: the arms without their notes."""
        arms = [{key: value for key, value in arm.items() if key != "note"} for arm in self.arms]
        return {**vars(self), "arms": arms}

    @property
    def best_arm(self) -> dict[str, Any]:
        """The row of the best."""
        return next(arm for arm in self.arms if arm["intervention"] == self.best)


def keep(run: Path, revived: Revived, recipe: str | None) -> None:
    """Write it into the run's folder, and beside it the recipe that is prescribed.

    Raises RunError where the folder cannot be written.
    """
    try:
        _set_aside(run)
        if recipe is not None:
            write_file(run / RECIPE, recipe.encode())
        write_json(run / FILE, vars(revived))
    except OSError as error:
        raise RunError(f"{run} cannot be written ({error.strerror or error}); see to the disk") from error


def _set_aside(run: Path) -> None:
    """Move what an earlier call found to `revive.1.json`, `revive.2.json` ...: an answer is never overwritten."""
    if not (run / FILE).exists():
        return
    number = next(n for n in itertools.count(1) if not (run / f"revive.{n}.json").exists())
    (run / FILE).rename(run / f"revive.{number}.json")
    if (run / RECIPE).exists():
        (run / RECIPE).rename(run / f"prescription.{number}.yaml")


def stored_revival(run: Path) -> Revived | None:
    """What was kept of the last `flatline revive` of a run; None where there is none, or it cannot be read."""
    try:
        given = json.loads((run / FILE).read_bytes())
        given = {name: given[name] for name in Revived.__dataclass_fields__ if name in given}
        if given.get("recipe") is not None:  # the folder may have been moved or copied since
            given["recipe"] = str(run / RECIPE)
        return Revived(**given)
    except (OSError, ValueError, TypeError, AttributeError):
        return None
