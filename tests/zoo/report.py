"""docs/zoo.md: what the zoo holds, and how it was judged, as Markdown."""

import math
from collections.abc import Iterable, Iterator, Sequence

from judge import CLOSE, Result, totals
from tasks import TASKS
from verified import Outcome

HEAD = """# The zoo

Trainings broken on purpose and trainings that are well, recorded at level `deep`, and what `flatline.diagnose` says of
each. Thresholds were fitted on the half `fit`; `report` has other tasks and other architectures, and was looked at
while the rules that find a cause were written: zoo-unseen.md is that half at seeds that nobody had looked at. Written
by `make zoo`, the other by `make zoo ZOO_ARGS="--half report --seeds-from 10 --without-peer --logs logs/zoo-unseen
--page docs/zoo-unseen.md"`.

A fault counts only where it does harm: its run keeps at most 70 % of what its healthy twin (same task, size and seed)
gained over the constant level, and loses .08 lwlrap at least. A healthy run counts only where it has gone 30 % of the
way from the constant level to 1, not round its RNN. "Called wrong" is a verdict of collapsed or at-risk; the cause is
right if it is a kind that the fault may be said to have, the first of which is preferred. Onsets are those of faults
switched on midway, and one is close within {close} iterations. torchmortem 0.1.1 sat in the same loops; since it has no
causes, its worst finding is taken for one, read generously (`tests/zoo/judge.py`).
"""


def page(results: dict[str, Sequence[Result]], outcomes: dict[str, Outcome], twins: dict[str, str]) -> str:
    """The page.

    results : by who judged; the first is flatline
    outcomes : by run
    twins : id of a faulty run's healthy twin
    """
    own = next(iter(results.values()))
    sections = [
        HEAD.format(close=CLOSE),
        "## Totals\n\n" + table(TOTALS, _totals(results)),
        "## Tasks\n\n" + table(("task", "architecture", "half", "faulty", "healthy"), _tasks(own)),
        "## Faults\n\n" + table(FAULTS, _faults(own, outcomes, twins)),
        "## What was misjudged\n\n" + table(MISSES, _misses(own)),
        "## Healthy runs\n\n" + table(("run", "lwlrap", "constant", "said"), _healthy(own, outcomes)),
        "## Faulty runs\n\n" + table(RUNS, _runs(results, outcomes, twins)),
    ]
    return "\n\n".join(section.strip() for section in sections) + "\n"


TOTALS = (
    *("judged by", "half", "faulty", "healthy", "recall", "precision", "right cause", "preferred cause"),
    *("onset close", "median onset error", "healthy with a critical finding"),
)


def _totals(results: dict[str, Sequence[Result]]) -> Iterator[tuple[str, ...]]:
    for judged_by, of_all in results.items():
        for half in ("fit", "report"):
            of = totals(one for one in of_all if one.half == half)
            yield (
                *(judged_by, half, str(of.n_faulty), str(of.n_healthy), _share(of.recall), _share(of.precision)),
                *(_share(of.right), _share(of.preferred), f"{_share(of.close)} of {of.n_midway}"),
                *(_number(of.median_error), str(of.criticals)),
            )


def _tasks(own: Sequence[Result]) -> Iterator[tuple[str, ...]]:
    for task in TASKS.values():
        runs = [one for one in own if one.id.startswith(f"{task.name}-")]
        n_faulty = sum(bool(one.fault) for one in runs)
        yield task.name, task.architecture, task.half, str(n_faulty), str(len(runs) - n_faulty)


FAULTS = ("fault", "kinds", "runs", "right cause", "midway", "close", "score", "healthy twin")


def _faults(own: Sequence[Result], outcomes: dict[str, Outcome], twins: dict[str, str]) -> Iterator[tuple[str, ...]]:
    for fault in dict.fromkeys(one.fault for one in own if one.fault):
        runs = [one for one in own if one.fault == fault]
        midway = [one for one in runs if one.onset]
        close = [one for one in midway if one.onset_error is not None and abs(one.onset_error) <= CLOSE]
        yield (
            *(f"`{fault}`", ", ".join(runs[0].kinds), str(len(runs)), str(sum(one.is_right for one in runs))),
            *(str(len(midway)), str(len(close))),
            _mean(outcomes[one.id].score for one in runs),
            _mean(outcomes[twins[one.id]].score for one in runs),
        )


MISSES = ("run", "may be", "verdict", "cause", "onset", "said")


def _misses(own: Sequence[Result]) -> Iterator[tuple[str, ...]]:
    for one in own:
        late = one.onset_error is not None and abs(one.onset_error) > CLOSE
        if one.is_right and not late and not (not one.fault and one.criticals):
            continue
        onset = f"{one.onset} ({one.onset_error:+d})" if late else str(one.onset or "")
        yield f"`{one.id}`", ", ".join(one.kinds) or "healthy", one.verdict, one.cause or "", onset, _said(one)


def _healthy(own: Sequence[Result], outcomes: dict[str, Outcome]) -> Iterator[tuple[str, ...]]:
    for one in own:
        if not one.fault:
            yield f"`{one.id}`", _number(outcomes[one.id].score), _number(outcomes[one.id].base), _said(one)


RUNS = ("run", "switched on", "lwlrap", "twin", "verdict", "cause", "onset", "torchmortem")


def _runs(
    results: dict[str, Sequence[Result]], outcomes: dict[str, Outcome], twins: dict[str, str]
) -> Iterator[tuple[str, ...]]:
    own, *others = results.values()
    beside = {one.id: one for one in (others[-1] if others else ())}
    for one in own:
        if one.fault:
            found = next((said.onset for said in one.said if said.kind == one.cause), None)
            yield (
                *(f"`{one.id}`", str(one.onset), _number(outcomes[one.id].score)),
                *(_number(outcomes[twins[one.id]].score), one.verdict, one.cause or "", str(found or 0)),
                beside[one.id].verdict if one.id in beside else "",
            )


def _said(one: Result) -> str:
    return ", ".join(f"{said.kind} ({said.severity})" for said in one.said)


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Markdown."""
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _share(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.3f}"


def _number(value: float) -> str:
    return "NaN" if math.isnan(value) else f"{value:.3g}"


def _mean(values: Iterable[float]) -> str:
    finite = [value for value in values if not math.isnan(value)]
    return _number(sum(finite) / len(finite)) if finite else "NaN"
