"""The learning rate of each iteration: a pure function of the recipe, so a resumed run goes on as it would have."""

from math import cos, floor, pi

from .recipe import ScheduleRecipe
from .recipe_ranges import CYCLING


def rate_at(
    schedule: ScheduleRecipe, learning_rate: float, iteration: int, iterations: int, iterations_per_epoch: int
) -> float:
    """The learning rate with which an iteration steps.

    Warm-up rises from `lowest` by equal steps and has reached `learning_rate` in the iteration `warm_up`. Cosine falls
    from there: lowest + (rate - lowest) (1 + cos(pi t)) / 2, t from 0 to 1 at the recipe's end. Triangular is Smith's:
    from `lowest` to `learning_rate` and back in straight lines, `step_epochs` each; with "triangular-exp" the height
    over `lowest` is multiplied by decay^(cycles gone), which is Smith's gamma^iteration at gamma = decay^(1 / cycle).

    learning_rate : the highest
    iteration : from 0; beyond the end the cosine stays at its lowest
    iterations : of the whole run
    Source: Smith 2015 (arXiv 1506.01186) section 3; Goyal et al. 2017 (1706.02677) section 2.2 for the warm-up;
    Loshchilov and Hutter 2016 (1608.03983) for the cosine.

    >>> up = ScheduleRecipe("warm-up", warm_up=4)
    >>> [rate_at(up, 1.0, iteration, 10, 5) for iteration in range(6)]
    [0.2, 0.4, 0.6, 0.8, 1.0, 1.0]
    >>> seed = ScheduleRecipe("triangular", lowest=0.25, step_epochs=1.0)
    >>> [rate_at(seed, 0.75, iteration, 10, 2) for iteration in range(6)]
    [0.25, 0.5, 0.75, 0.5, 0.25, 0.5]
    """
    height = learning_rate - schedule.lowest
    if iteration < schedule.warm_up:
        return schedule.lowest + height * (iteration + 1) / (schedule.warm_up + 1)
    if schedule.kind == "cosine":
        gone = (iteration - schedule.warm_up) / max(iterations - schedule.warm_up, 1)
        return schedule.lowest + height * (1 + cos(pi * min(gone, 1.0))) / 2
    if schedule.kind in CYCLING:
        return schedule.lowest + height * _triangle(schedule, iteration / (schedule.step_epochs * iterations_per_epoch))
    return learning_rate


def _triangle(schedule: ScheduleRecipe, steps: float) -> float:
    """Share of the height after so many steps, which are half a cycle each."""
    share = max(0.0, 1 - abs(steps - 2 * floor(steps / 2) - 1))
    return share * schedule.decay ** (steps / 2) if schedule.kind == "triangular-exp" else share
