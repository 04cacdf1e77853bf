"""What to change, and what speaks against it."""

from collections.abc import Sequence
from dataclasses import replace
from statistics import median
from typing import Any

import yaml

from ..recipe import Recipe
from ..resume import WORDS, differences
from .arms import Arm
from .doctor import MARGIN, Course

SLOWER = 1.5
"""Times the seconds an iteration of the other arms from which the cost of an arm is told; ours: arms of one stage on a
busy machine differ by a fifth of it without a reason."""


def changes(before: Recipe, after: Recipe) -> dict[str, tuple[Any, Any]]:
    """Dotted keys in which the recipes differ, with both values; names aside."""
    return {key: values for key, values in differences(before, after).items() if key not in WORDS}


def as_diff(before: Recipe, after: Recipe) -> str:
    """The changes as lines of YAML, - and +, one key after the other."""
    lines: list[str] = []
    for key, (old, new) in changes(before, after).items():
        lines += [f"- {key}: {_inline(old)}"] if old is not None else []
        lines += [f"+ {key}: {_inline(new)}"] if new is not None else []
    return "\n".join(lines)


def as_yaml(recipe: Recipe, run: str, given: str) -> str:
    """The recipe as a file that `flatline train` takes."""
    named = replace(recipe, name=f"{run}-revived", description=f"{run} with {given}, as flatline revive found")
    return yaml.safe_dump(named.to_dict(), sort_keys=False, allow_unicode=True)


def against(course: Course, scores: Sequence[float]) -> list[str]:
    """What speaks against the prescription, in sentences; the scores are its seeds'."""
    best, control = course.best, course.control
    if best is control or best.standing is None or control.standing is None:
        return []
    found = [*_of_score(best, control, scores), *_of_health(best)]
    if (times := _slower(course)) > SLOWER:
        found.append(f"An iteration takes {times:.1f} times as long as the other arms'.")
    rival = _rival(course)
    if rival is not None:
        found.append(rival)
    if len(best.given) > 1:
        found.append("Each change was tried on top of those before it, not in every order.")
    return found


def _of_score(best: Arm, control: Arm, scores: Sequence[float]) -> list[str]:
    now, before = best.standing, control.standing
    assert now is not None
    assert before is not None
    found = []
    if now.iterations < before.iterations:
        found.append(f"It was trained for {now.iterations} iterations only, where the run had {before.iterations}.")
    if not now.learnt:
        found.append("The score is still at the constant level: the cause is gone, the cure is not whole.")
    if len(scores) < 2:
        found.append("It was tried with one seed.")
    elif min(scores) <= before.lwlrap + MARGIN:
        found.append(f"One of {len(scores)} seeds is no better than the run as it was ({min(scores):.3f}).")
    return found


def _of_health(best: Arm) -> list[str]:
    standing = best.standing
    assert standing is not None
    found = []
    if standing.diagnosis.verdict == "undetermined":
        found.append(f"After {standing.iterations} iterations it is too early for a verdict: give more --iterations.")
    if standing.diagnosis.verdict in ("collapsed", "at-risk"):
        found.append(f"The diagnosis is still {standing.diagnosis.verdict}: {standing.diagnosis.cause}.")
    if standing.learnt and standing.rnn_share < 1 / 3:
        found.append(f"The RNN carries {standing.rnn_share:.0%} of the score: it is gone round more than revived.")
    elif standing.learnt and standing.rnn_share != standing.rnn_share:
        found.append("What the RNN carries was not measured (flatline ablate).")
    return found


def _rival(course: Course) -> str | None:
    """Another arm of the last stage that came as far and nearly as high."""
    best = course.best.standing
    last = next((stage for stage in reversed(course.stages) if stage.kept is not None), None)
    for arm in last.arms if last else ():
        other = arm.standing
        if not best or not other or arm.given == course.best.given or other.iterations != best.iterations:
            continue
        if abs(other.lwlrap - best.lwlrap) <= MARGIN:
            return f"{arm.name} came as high ({other.lwlrap:.3f} and {best.lwlrap:.3f})."
    return None


def _slower(course: Course) -> float:
    """Seconds an iteration of the best arm, over the median of the arms that were trained in its stage.

    Not over the control's: that one may have been trained on another day, on a machine with less to do.
    """
    stage = next(stage for stage in reversed(course.stages) if stage.kept is not None)
    each = {arm.given: arm.seconds / arm.standing.iterations for arm in stage.arms if arm.standing and arm.seconds}
    others = [seconds for given, seconds in each.items() if given != course.best.given]
    return each.get(course.best.given, 0.0) / median(others) if len(others) > 1 else 0.0


def _inline(value: Any) -> str:
    return yaml.safe_dump(value, default_flow_style=True).splitlines()[0]
