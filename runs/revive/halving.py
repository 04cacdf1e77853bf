"""Successive halving: arms go on side by side, and at each rung the worse half of them ends."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from .arms import Arm
from .trials import Trials

RUNGS = (2 / 7, 4 / 7, 1.0)
"""Shares of the way at which arms are compared; ours: of 350 iterations 100, 200 and all. k arms then cost
.29 k + .29 k/2 + .43, .5 k for five, and the story's cures are above the constant level by the first."""

Rank = Callable[[Arm], Any]


def rungs(begin: int, end: int, every: int) -> list[int]:
    """Iterations, each at an evaluation, at which arms are compared; the last is `end`.

    >>> rungs(0, 350, 50), rungs(200, 350, 50), rungs(0, 40, 50)
    ([100, 200, 350], [250, 300, 350], [40])
    """
    first = begin // every * every
    found = [first + max(1, round(share * (end - begin) / every)) * every for share in RUNGS[:-1]]
    return [*sorted({at for at in found if at < end}), end]


def halve(trials: Trials, arms: Sequence[Arm], rank: Rank, *, gives_up: Callable[[Arm], str | None]) -> list[Arm]:
    """Every arm, as far as it came, the best first (Jamieson and Talwalkar 2016, with halves).

    Arms are compared from where they can differ on: before `trials.seen_from` whatever is wrong had not begun. One
    that is out (it failed, or changes nothing) is ranked with none.

    rank : the larger the better, of arms that came equally far
    gives_up : why even the best is not worth its last rung, in words; None where it is
    """
    alive, ended = list(arms), []
    at_rungs = rungs(max(trials.begin, trials.seen_from), trials.iterations, trials.every)
    for number, until in enumerate(at_rungs):
        tried = trials.train(alive, until)
        ended += [arm for arm in tried if arm.standing is None or arm.is_out]
        alive = sorted((arm for arm in tried if arm.standing and not arm.is_out), key=rank, reverse=True)
        if number == len(at_rungs) - 1 or not alive:
            break
        if _is_lost(alive[0]):
            trials.drop(alive)
            return [*(replace(arm, note=f"its scores are no numbers at {until}") for arm in alive), *ended]
        kept = max(1, len(alive) // 2)
        trials.drop(alive[kept:])
        ended = [replace(arm, note=f"behind {alive[0].name} at {until}") for arm in alive[kept:]] + ended
        alive = alive[:kept]
        if number == len(at_rungs) - 2 and (why := gives_up(alive[0])):
            return [*(replace(arm, note=why) for arm in alive), *ended]
    return [*alive, *ended]


def _is_lost(arm: Arm) -> bool:
    """Whether its scores are NaN, from which weights do not come back."""
    return arm.standing is not None and math.isnan(arm.standing.lwlrap)
