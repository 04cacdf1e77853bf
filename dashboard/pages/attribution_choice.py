"""What the page of attributions was asked to show, and what of it can be computed."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...diagnostics.attribution.names import METHODS
from ...diagnostics.errors import FlatlineError, RunError
from ...runs.checkpoint_list import checkpoint_iterations
from ...runs.run import Run
from ..addresses import run_path
from ..attributing import Request
from ..chosen import Chosen, choose
from .cursor import newest_iteration


@dataclass(frozen=True, eq=False)
class Side:
    """One column of the page.

    label : of the run, and of the iteration where the run stands in both columns
    chosen : what is shown; None where it cannot be, and `wrong` says why
    """

    label: str
    chosen: Chosen | None
    wrong: str = ""


def sides_of(logs: Path, name: str, asked: Mapping[str, Any]) -> list[Side]:
    """The columns of a run's page: one, or two where another run or iteration stands beside.

    asked : by id of a choice, and `iteration`, None where nothing is chosen
    Raises RunError for a run that is not there.
    """
    path = run_path(logs, name)
    if path is None:
        raise RunError(f"there is no run named {name!r} under {logs}; it may have been deleted or renamed")
    run = Run(path)
    first = first_of(run, asked)
    other = asked.get("beside")
    if not other:
        return [Side(run.name, first)]
    return [Side(_label(first), first), second_of(logs, first, str(other), asked.get("beside_iteration"))]


def first_of(run: Run, asked: Mapping[str, Any]) -> Chosen:
    """What the page shows of its own run: at the cursor, which stands at the newest evaluation until it is moved."""
    at = asked.get("iteration")
    words = {keyword: asked.get(name) or None for keyword, name in (("clip", "clip"), ("class_name", "class"))}
    more = {name: asked.get(name) or None for name in ("method", "baseline")}
    return choose(run, iteration=newest_iteration([run]) if at is None else int(at), **words, **more)


def second_of(logs: Path, first: Chosen, name: str, iteration: Any) -> Side:
    """The same clip, class, method and baseline in another run, or in this one at another iteration.

    iteration : None is the first column's, or where the run has no weights of it, or it is the same run, the nearest
    """
    path = run_path(logs, name)
    if path is None:
        return Side(name, None, f"There is no run named {name!r}.")
    try:
        run = Run(path)
        at = int(iteration) if iteration else _beside(run, first)
        words = {"clip": first.clip, "class_name": first.class_name}
        found = choose(run, iteration=at, method=first.method, baseline=first.baseline, **words)
        return Side(_label(found), found)
    except (FlatlineError, ValueError) as error:
        return Side(name, None, str(error))


def request_of(chosen: Chosen, class_name: str | None = None, *, every: bool = False) -> Request | None:
    """What is to be computed of it; None where nothing can be, as `hindrance` says.

    class_name : as chosen, where it is not known which class that is
    every : by every method
    """
    if hindrance(chosen) or chosen.clip is None or chosen.iteration is None:
        return None
    methods = tuple(method.name for method in METHODS) if every else (chosen.method,)
    return Request(
        chosen.run.path, chosen.iteration, chosen.clip, chosen.class_name or class_name, methods, chosen.baseline
    )


def hindrance(chosen: Chosen) -> str:
    """Why nothing can be computed there, in words; empty where something can."""
    run = chosen.run
    if not isinstance(run.path, Path):
        return "This run lies in a store, where nothing can be added: copy it to a folder to compute attributions."
    if not run.recipe or "data" not in run.info:
        return (
            "This run was recorded from a training loop of one's own, so there is no recipe to build its network by: "
            "call flatline.diagnostics.attribution.attribute.attribute(model, clip, index) there."
        )
    if chosen.clip is None:
        return "This run keeps no clip: name one of its data above."
    if "/" in chosen.clip or "\\" in chosen.clip:
        return f"{chosen.clip} is no clip of the run or its data: any other audio file is for `flatline attribute`."
    there = checkpoint_iterations(run.path)
    if chosen.iteration in there:
        return ""
    if not there:
        return "This run has no checkpoint, so there are no weights to ask."
    return f"There are no weights of iteration {chosen.iteration or 0:,}."


def checkpoints_near(chosen: Chosen) -> list[int]:
    """The checkpoints before and after an iteration that has none."""
    there = checkpoint_iterations(chosen.run.path)
    at = chosen.iteration or 0
    before, after = [one for one in there if one < at], [one for one in there if one > at]
    return [*before[-1:], *after[:1]]


def _beside(run: Run, first: Chosen) -> int | None:
    there = [one for one in checkpoint_iterations(run.path) if run.path != first.run.path or one != first.iteration]
    if not there or first.iteration is None:
        return first.iteration
    return there[int(np.abs(np.array(there) - first.iteration).argmin())]


def _label(chosen: Chosen) -> str:
    return chosen.run.name if chosen.iteration is None else f"{chosen.run.name}, iteration {chosen.iteration:,}"
