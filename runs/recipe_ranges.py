"""Values of a recipe that are of the right type and yet train nothing, or not what they say."""

import functools
import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .recipe import Recipe

ABOVE_ZERO = math.ulp(0.0)

LEAST: dict[str, float] = {
    "iterations": 1,
    "evaluate_every": 1,
    "batch_size": 1,
    "early_stop": 1,
    "pinned": 0,
    "keep_checkpoints": 1,
    "seed": 0,
    "weight_decay": 0,
    "learning_rate": ABOVE_ZERO,
    "schedule.warm_up": 0,
    "schedule.lowest": 0,
    "schedule.step_epochs": ABOVE_ZERO,
    "schedule.decay": ABOVE_ZERO,
    "clip_norm": ABOVE_ZERO,
    "data.n_folds": 2,
}
"""The least that a key may be; what lies below trains nothing, or not what it says."""

WARMING, CYCLING = ("warm-up", "cosine"), ("triangular", "triangular-exp")
"""Kinds of schedule that may warm up, and that have cycles."""


def out_of_range(recipe: "Recipe") -> Iterator[str]:
    """What is wrong, a sentence each: the key, its value, the recipe, and what to give."""
    where = f"(recipe {recipe.name})"
    for key, least in LEAST.items():
        value = _at(recipe, key)
        if value is not None and not least <= value < math.inf:
            yield f"{key} is {value} {where}; give {_least_in_words(least)}"
    if recipe.data.fold is not None and not 0 <= recipe.data.fold < recipe.data.n_folds:
        yield f"data.fold is {recipe.data.fold} {where}; give 0 to {recipe.data.n_folds - 1}"
    if recipe.seed >= 2**63:
        yield f"seed is {recipe.seed} {where}; give less than 2**63, PyTorch's limit"
    yield from _of_schedule(recipe, where)


def _of_schedule(recipe: "Recipe", where: str) -> Iterator[str]:
    schedule = recipe.schedule
    if schedule.decay > 1:
        yield f"schedule.decay is {schedule.decay} {where}, which would grow the amplitude; give 1 or less"
    if schedule.lowest >= recipe.learning_rate:
        yield (
            f"schedule.lowest is {schedule.lowest} {where}, but learning_rate, the highest rate, is "
            f"{recipe.learning_rate}; give less"
        )
    if schedule.lowest and schedule.kind == "constant":
        yield f"schedule.lowest is {schedule.lowest} {where}, but schedule.kind is constant, with one rate; drop it"
    if schedule.warm_up and schedule.kind not in WARMING:
        yield (
            f"schedule.warm_up is {schedule.warm_up} {where}, but schedule.kind is {schedule.kind}, which has none; "
            f"set schedule.kind to {' or '.join(WARMING)}"
        )
    if schedule.kind == "warm-up" and not schedule.warm_up:
        yield f"schedule.warm_up is 0 {where}, but schedule.kind is warm-up; give its iterations, as in 100"


def _at(recipe: "Recipe", key: str) -> float | None:
    return functools.reduce(getattr, key.split("."), recipe)  # type: ignore[return-value]


def _least_in_words(least: float) -> str:
    return "a number above 0" if least == ABOVE_ZERO else f"{least:g} or more"
