"""Where the cursor may stand: the iterations at which something was recorded."""

from collections.abc import Sequence
from typing import Any

from ...runs.run import Run

MOST = 5000
"""Evaluations that the page is told of, so that keys jump between them; of more, every second, third ..."""


def newest_iteration(runs: Sequence[Run]) -> int:
    """Where the cursor stands until it is moved: the newest evaluation, where most is recorded, or else iteration.

    Of several runs the newest evaluation that all of them have.
    """
    common = evaluations_of(runs)
    if len(common):
        return int(common[-1])
    return min((run.last_iteration or 0 for run in runs), default=0)


def evaluations_of(runs: Sequence[Run]) -> list[int]:
    """Iterations of the evaluations that all of the runs have, ascending; runs without any are no hindrance."""
    each = [set(found) for run in runs if len(found := run.evaluation_iterations.tolist())]
    return sorted(set.intersection(*each)) if each else []


def cursor_of(runs: Sequence[Run]) -> dict[str, Any]:
    """What the browser is told: the last iteration, the one to stand at, and the evaluations."""
    evaluations = evaluations_of(runs)
    lasts = [*(run.last_iteration or 0 for run in runs), *evaluations[-1:]]
    step = -(-len(evaluations) // MOST) or 1
    return {
        "last": max(lasts, default=0),
        "newest": newest_iteration(runs),
        "evaluations": evaluations[::-1][::step][::-1],
    }
