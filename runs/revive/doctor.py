"""The course of treatment: diagnose, try what might help, keep what did, diagnose again."""

import math
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace

from ..interventions import Intervention
from ..read_once import ReadOnce
from .arms import Arm, Standing
from .halving import halve
from .trials import Trials

DEPTH = 3
"""Interventions tried on top of each other."""

WIDTH = 5
"""Arms of a stage."""

ROUNDS = 1
"""Stages on one arm: where none of `WIDTH` arms was better, as many more of what may help are tried."""

CARRIES = 1 / 3
"""Share of the score from which an RNN is no longer bypassed, for an arm to count as a cure of it; ours."""

MARGIN = 0.02
"""lwlrap by which an arm must differ to be better; that of "at the constant level"."""

SOUGHT = ("prior-bias", "time-softmax", "input-attention", "orthogonal-init", "lower-rate")
"""What is tried of a run that is not well and of which no finding names a remedy; ours, by what cured the story's."""

Say = Callable[[str], None]


@dataclass(frozen=True)
class Stage:
    """What was tried on one arm.

    on : the arm it was tried on
    cause : of that arm's diagnosis
    arms : the best first
    kept : the arm that the next stage goes on from; None where none was better
    why : in words
    """

    on: Arm
    cause: str | None
    arms: tuple[Arm, ...]
    kept: Arm | None
    why: str
    skipped: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Course:
    """A treatment: the control, its stages, and the arm that is prescribed (the control where nothing helped)."""

    control: Arm
    stages: tuple[Stage, ...]

    @property
    def best(self) -> Arm:
        """The arm kept last."""
        kept = [stage.kept for stage in self.stages if stage.kept is not None]
        return kept[-1] if kept else self.control

    @property
    def arms(self) -> list[Arm]:
        """The control, and every arm in the order in which it was tried."""
        return [self.control, *(arm for stage in self.stages for arm in stage.arms)]


def treat(
    trials: Trials,
    *,
    allowed: Sequence[str] | None = None,
    depth: int = DEPTH,
    width: int = WIDTH,
    rounds: int = ROUNDS,
    enough: Callable[[], str | None] = lambda: None,
    say: Say = lambda words: None,
) -> Course:
    """Up to `depth` stages of at most `width` arms each, and on an arm on which none was better `rounds` of them.

    A stage tries what the diagnosis of the arm at hand names, the cause's remedies first. The arm that removes the
    cause is kept even where the score does not rise yet: a right loss alone still sits on the plateau, which the next
    stage sees. Else the arm with the best score is, where it is better by `MARGIN`.

    allowed : names of interventions; None is all, and nothing is tried of a run that is healthy as it is
    enough : why no further stage is begun (a budget), in words
    """
    control = trials.control()
    current, stages = control, list[Stage]()
    while current is not None and not (_is_well(current) and (stages or allowed is None)):
        if why := enough():
            say(why)
            break
        tried = {arm.given[-1] for stage in stages if stage.on is current for arm in stage.arms}
        arms, skipped = _candidates(trials, current, allowed, width, tried)
        if arms:
            say(_begins(current, arms))
            stages.append(_stage(trials, current, arms, skipped))
            say(stages[-1].why)
        else:
            cause = _standing(current).diagnosis.cause
            stages.append(Stage(current, cause, (), None, "nothing is left to be tried", skipped))
        current = _next(stages, depth, rounds)
    return _to_the_end(trials, Course(control, tuple(stages)), enough)


def _next(stages: Sequence[Stage], depth: int, rounds: int) -> Arm | None:
    """The arm to go on from: the one that was kept, or the one that was tried on, while there are rounds left.

    An arm that was kept for its cause's sake and whose score nothing lifted was a wrong turn: back to what it was tried
    on.
    """
    last = stages[-1]
    arm = last.kept or last.on
    while len(arm.given) >= depth or _rounds(arm, stages) >= rounds or (_is_well(arm) and arm.given):
        kept = next((stage for stage in stages if stage.kept is arm), None)
        if kept is None or _score(arm) > _level(kept.on, _standing(arm).iterations) + MARGIN:
            return None
        arm = kept.on
    return arm


def _rounds(arm: Arm, stages: Sequence[Stage]) -> float:
    """Stages on an arm; no end of them where nothing was left."""
    of = [stage for stage in stages if stage.on is arm]
    return len(of) if all(stage.arms for stage in of) else math.inf


def _is_well(arm: Arm) -> bool:
    return _standing(arm).diagnosis.verdict == "healthy"


def _to_the_end(trials: Trials, course: Course, enough: Callable[[], str | None]) -> Course:
    """The arm that is prescribed, trained as far as the control where its stage ended before."""
    best = course.best
    if best is course.control or _standing(best).iterations >= trials.iterations or enough():
        return course
    (whole,) = trials.train([best], trials.iterations)
    if whole.standing is None:
        return course
    whole = replace(whole, note="")
    stages = [
        replace(
            stage,
            arms=tuple(whole if arm is best else arm for arm in stage.arms),
            kept=whole if stage.kept is best else stage.kept,
        )
        for stage in course.stages
    ]
    return Course(course.control, tuple(stages))


def _stage(trials: Trials, current: Arm, arms: Sequence[Arm], skipped: dict[str, str]) -> Stage:
    cause = _standing(current).diagnosis.cause

    def rank(arm: Arm) -> tuple[bool, bool, float]:
        score = _standing(arm).lwlrap
        return not math.isnan(score), _cures(_standing(arm), cause), score

    def gives_up(arm: Arm) -> str | None:
        standing, before = _standing(arm), _scored(current, _standing(arm).iterations)
        cured = _cures(standing, cause)
        if cured and not standing.learnt and standing.diagnosis.cause is not None:
            return f"the cause is gone, the score not yet there: {standing.diagnosis.cause}"
        if not cured and not standing.lwlrap > before + MARGIN:
            return f"no better than {current.name} at {standing.iterations}"
        return None

    tried = halve(trials, arms, rank, gives_up=gives_up)
    best = tried[0]
    if best.standing is None or best.is_out:
        why = "no arm could be trained" if best.standing is None else "none of the arms changes anything"
        return Stage(current, cause, tuple(tried), None, why, skipped)
    kept, why = _kept(current, best, cause)
    return Stage(current, cause, tuple(tried), kept, why, skipped)


def _kept(current: Arm, best: Arm, cause: str | None) -> tuple[Arm | None, str]:
    """The arm to go on from, and why."""
    now, before = _standing(best), _standing(current)
    level = _scored(current, now.iterations)  # of as many iterations: an arm may have been given up before its end
    was, at = ("", "") if now.iterations == before.iterations else (f" at {before.iterations}", f" at {now.iterations}")
    moved = f"lwlrap {before.lwlrap:.3f}{was} -> {now.lwlrap:.3f}{at}"
    if math.isfinite(level):
        moved = f"lwlrap {level:.3f} -> {now.lwlrap:.3f}{at}"
    gain = _score(best) - _level(current, now.iterations)
    cured = cause is not None and before.has(cause) and _cures(now, cause)
    if cured and gain > -MARGIN:
        return best, f"{best.name} removes {cause} ({moved})"
    if gain > MARGIN:
        return best, f"{best.name} is better ({moved})"
    return None, f"nothing was better than {current.name} by {MARGIN} (the best, {best.name}: {moved})"


def _cures(standing: Standing, cause: str | None) -> bool:
    """Whether a diagnosis no longer has that cause; of an RNN that was bypassed, whether it carries its share.

    What could not be judged is not gone.
    """
    if cause is None:
        return standing.diagnosis.verdict == "healthy"
    if cause == "bypassed-recurrence":
        return standing.learnt and standing.rnn_share >= CARRIES
    unseen = {one.kind for one in standing.diagnosis.undetermined}
    return not standing.has(cause) and cause not in unseen


def _candidates(
    trials: Trials, current: Arm, allowed: Sequence[str] | None, width: int, tried: Set[str]
) -> tuple[list[Arm], dict[str, str]]:
    """Arms with one intervention more each, the likeliest first, and why others are not among them."""
    skipped: dict[str, str] = {}
    arms: list[Arm] = []
    for name in _likely(_standing(current), trials.known) if allowed is None else allowed:
        if name in current.given or name in tried:
            continue
        if why := trials.why_not(current, name):
            skipped[name] = why
        elif len(arms) < width or allowed is not None:
            arms.append(trials.prescribe(current, name))
        else:
            skipped[name] = f"{width} others come first"
    return arms, skipped


def _likely(standing: Standing, known: Mapping[str, Intervention]) -> list[str]:
    """Names of interventions, those for the cause first, then those for what else was found."""
    findings = standing.diagnosis.findings  # the cause is the first
    kinds = [standing.diagnosis.cause, *(finding.kind for finding in findings if finding.is_active)]
    names: list[str] = []
    for kind in dict.fromkeys(kind for kind in kinds if kind is not None):
        names += [name for finding in findings if finding.kind == kind for name in finding.remedies]
        names += [name for name, one in known.items() if kind in one.treats]
    return [name for name in dict.fromkeys([*names, *SOUGHT]) if name in known]


def _begins(current: Arm, arms: Sequence[Arm]) -> str:
    standing = _standing(current)
    what = standing.diagnosis.cause or standing.diagnosis.verdict
    return f"{current.name} ({what}, lwlrap {standing.lwlrap:.3f}): trying {', '.join(arm.given[-1] for arm in arms)}"


def _standing(arm: Arm) -> Standing:
    if arm.standing is None:
        raise ValueError(f"the arm {arm.name} was not trained")
    return arm.standing


def _scored(arm: Arm, iteration: int) -> float:
    """Lwlrap of an arm's run at an iteration; -inf where it was not evaluated there."""
    if arm.path is None:
        return -math.inf
    scores = ReadOnce(arm.path).evaluations["lwlrap"].dropna().to_dict()
    return float(scores.get(iteration, -math.inf))


def _level(arm: Arm, iteration: int) -> float:
    """What an arm of that many iterations is held against: `_scored`, or the newest score where there is none."""
    score = _scored(arm, iteration)
    return score if math.isfinite(score) else _score(arm)


def _score(arm: Arm) -> float:
    """Lwlrap; of scores that are no numbers -1, below any that is."""
    lwlrap = _standing(arm).lwlrap
    return -1.0 if math.isnan(lwlrap) else lwlrap
