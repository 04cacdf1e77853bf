"""Checkpoints: weights as safetensors, the rest loadable with weights_only.

One checkpoint is a pair of files named by its iteration, `000000350.safetensors` and `000000350.pt` beside it (a second
one at the same iteration is `000000350.2`). The weights are written last and deleted first, so that a pair that can be
seen is whole; a file is never written twice. The newest pair is `last`, and says which one is `best`. Earlier versions
wrote `last.safetensors`, `last.pt` and `best.safetensors`; those are read still.
"""

import json
import pickle
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import nn

from ..diagnostics.errors import RunError
from .fetching import local_file
from .store import StoreError

STEM = re.compile(r"(\d{9,})(?:\.(\d+))?")

UNREADABLE = (OSError, RuntimeError, pickle.UnpicklingError, EOFError, SafetensorError, KeyError, ValueError, TypeError)
"""What PyTorch and safetensors raise on a file that is damaged."""

Which = str | int


class Checkpoint(NamedTuple):
    """One checkpoint: optimiser steps done by then, its weights, and whether they, loss and gradient were finite."""

    iteration: int
    path: Path
    healthy: bool


@dataclass(frozen=True)
class Facts:
    """What stands in the head of the weights' file.

    kept : made at an evaluation, to be kept for later; others make way for the next one
    best : iteration of the best evaluation by then
    """

    iteration: int
    healthy: bool = True
    kept: bool = True
    best: int | None = None

    def written(self) -> dict[str, str]:
        """As safetensors takes it; one key, for several come in any order and the file would never be the same."""
        return {"checkpoint": json.dumps(vars(self))}

    @classmethod
    def read(cls, path: Path) -> "Facts":
        """Of a weights' file; raises one of `UNREADABLE`."""
        with safe_open(local_file(path), "pt") as file:
            given = file.metadata()
        if "checkpoint" in given:
            return cls(**json.loads(given["checkpoint"]))
        return cls(int(given["iteration"]))


def checkpoints_of(run: Path) -> list[Checkpoint]:
    """Every checkpoint of a run that is whole, in order; damaged ones are left out."""
    known = [(path, facts_of(path)) for path in [*_old(run, "best"), *_old(run, "last"), *pairs(run)]]
    return sorted(Checkpoint(facts.iteration, path, facts.healthy) for path, facts in known if facts is not None)


def load_weights(run: Path, model: nn.Module, names: Sequence[Which] = ("best", "last")) -> str:
    """Load the first checkpoint of these that the run has; returns its name.

    names : "best", "last", or an iteration
    Raises RunError if there is none, or if it does not fit the model.
    """
    for name in names:
        for path in find(run, name)[-1:]:
            load_weights_at(path, model)
            return str(name)
    wanted = " or ".join(str(name) for name in names)
    there = ", ".join(str(checkpoint.iteration) for checkpoint in checkpoints_of(run))
    raise RunError(
        f"{run} has no checkpoint {wanted} under checkpoints/"
        + (
            f" (there are those of iterations {there}); name one of these"
            if there
            else "; train it with `flatline train`"
        )
    )


def load_weights_at(path: Path, model: nn.Module) -> None:
    """Load one checkpoint's weights.

    Raises RunError if it does not fit the model or is damaged.
    """
    try:
        model.load_state_dict(load_file(local_file(path)))
    except RuntimeError as error:
        raise RunError(f"{path} does not fit the model of the run's recipe ({error}); was run.json changed?") from None
    except (SafetensorError, OSError) as error:
        raise RunError(f"{path} cannot be read ({error}); use another checkpoint") from error


def load_state(run: Path, name: Which = "last") -> dict[str, Any]:
    """What stands beside the weights: iteration, optimiser state, random state, and what else a resume needs.

    Raises RunError if it is not there or cannot be read, or belongs to other weights (earlier versions wrote the two
    under one name, and a kill could come between).
    """
    for path in find(run, name)[-1:]:
        return load_state_at(path)
    raise RunError(f"{run} has no checkpoint {name} under checkpoints/; train it with `flatline train`")


def load_state_at(path: Path) -> dict[str, Any]:
    """What stands beside one checkpoint's weights."""
    try:
        state = torch.load(local_file(path.with_suffix(".pt")), weights_only=True, map_location="cpu")
        iteration = Facts.read(path).iteration
        of_state = state["iteration"]
    except UNREADABLE as error:
        raise RunError(f"checkpoint {path} cannot be read ({error}); use another one") from error
    if of_state != iteration:
        raise RunError(
            f"checkpoint {path} has weights of iteration {iteration} and an optimiser of "
            f"iteration {of_state} (killed while it was written); use another one"
        )
    return state


def find(run: Path, name: Which) -> list[Path]:
    """Weights' files of a checkpoint by name or iteration, the newest last."""
    whole = pairs(run)
    if isinstance(name, int):
        old = [checkpoint.path for checkpoint in checkpoints_of(run) if checkpoint.iteration == name]
        return at_iteration(whole, name) or old
    if name == "best" and whole:
        facts = facts_of(whole[-1])
        return [] if facts is None or facts.best is None else at_iteration(whole, facts.best)
    return whole if name == "last" and whole else _old(run, name)


def pairs(run: Path) -> list[Path]:
    """Weights' files that have their other half, in order of writing."""
    there = list((run / "checkpoints").glob("*"))
    names = {path.name for path in there}
    whole = [path for path in there if path.name.endswith(".safetensors") and f"{path.stem}.pt" in names]
    return sorted((path for path in whole if STEM.fullmatch(path.stem)), key=_order)


def _order(path: Path) -> tuple[int, int]:
    iteration, again = STEM.fullmatch(path.stem).groups()  # type: ignore[union-attr]
    return int(iteration), int(again or 1)


def at_iteration(paths: Sequence[Path], iteration: int) -> list[Path]:
    """Those of one iteration."""
    return [path for path in paths if _order(path)[0] == iteration]


def _old(run: Path, name: str) -> list[Path]:
    path = run / "checkpoints" / f"{name}.safetensors"
    return [path] if path.is_file() else []


def facts_of(path: Path) -> Facts | None:
    """What the head says; None for a damaged file."""
    try:
        return Facts.read(path)
    except StoreError:
        raise
    except UNREADABLE:
        return None
