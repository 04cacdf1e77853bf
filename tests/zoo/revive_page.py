"""docs/zoo-revive.md: what trials made of the zoo's faults, as Markdown."""

import math
from collections.abc import Iterable, Iterator, Sequence

from cures import Cure, by_chance, offered
from plan import PLAN
from report import table
from trial import SWITCHES

HEAD = """# The zoo, revived

Each broken training of the [zoo](zoo.md) handed to `flatline.revive`, which is told neither the fault nor its kind. The
trial is the zoo's own loop with the fault **still in it** (`tests/zoo/trial.py`): an intervention has to counteract it,
or to take out the step of the loop in which it sits. What can be tried are Flatline's own interventions, through
`context.model`, `context.optimizer` and `context.criterion`, and steps that the loop's owner can take out, defined once
for the whole zoo and listed below. Each is tried only where the diagnosis has a finding that it treats, or a finding's
advice names it. Written by `make zoo-revive ZOO_ARGS="--half report"`.

A step that is taken out leaves the healthy training to the bit (`tests/zoo/test_zoo.py`); what is measured is whether
the trials find it, or an intervention that does as well, among the others.

Repaired is a score within a tenth of the healthy twin's (same task, size and seed; the score of zoo.md). The cause that
a trial names is what the decisive intervention treats: that with which the score rose most. Agreement by chance is that
of an intervention drawn from all. Cost: iterations of all arms and of the control, over those of as many whole
runs as there are arms. Seconds are of one core.
"""


BLIND = """## Blind

Above, what is tried comes from the diagnosis: a trial names another cause by a lesser finding's remedy alone, or fails.
Here every intervention was tried ({n} of them), whatever the diagnosis says, on {runs} runs drawn at random: which of
them cures is found by trial alone. `make zoo-revive ZOO_ARGS="--half report --blind --first {runs}"`.
"""


def page(cures: Sequence[Cure], n_asked: int, blind: Sequence[Cure] = ()) -> str:
    """The page.

    n_asked : runs that were to be tried
    blind : of those for which everything was tried
    """
    lost = [cure for cure in cures if not cure.is_repaired]
    sections = [
        HEAD,
        f"{len(cures)} of {n_asked} runs were tried.",
        "## Totals\n\n" + table(TOTALS, _totals(cures)),
        *([_blind(blind)] if blind else []),
        "## Steps that the loop's owner can take out\n\n" + table(("name", "the step", "treats"), _switches()),
        "## Not repaired\n\n" + (table(LOST, _lost(lost)) if lost else "None."),
        "## Named otherwise than by the diagnosis\n\n" + table(NAMED, _otherwise(cures)),
        "## Faults\n\n" + table(FAULTS, _faults(cures)),
        "## Runs\n\n" + table(RUNS, _runs(cures)),
    ]
    return "\n\n".join(section.strip() for section in sections) + "\n"


TOTALS = (
    *("half", "runs", "repaired", "by Flatline's own", "cause agrees with the diagnosis", "by chance"),
    *("cause is the planted one", "arms a run", "cost", "most", "seconds a run"),
)


def _totals(cures: Sequence[Cure]) -> Iterator[tuple[str, ...]]:
    halves = {planned.id: planned.half for planned in PLAN}
    for half in ("fit", "report"):
        of = [cure for cure in cures if halves[cure.id] == half]
        if of:
            yield (half, *_total(of))


def _total(of: Sequence[Cure]) -> tuple[str, ...]:
    repaired = [cure for cure in of if cure.is_repaired]
    return (
        *(str(len(of)), _share(cure.is_repaired for cure in of)),
        _share(cure.is_repaired and not cure.by_loop for cure in of),
        *(_share(cure.agrees for cure in repaired), f"{by_chance(repaired, SWITCHES):.3f}"),
        *(_share(cure.is_right for cure in repaired), f"{_mean(cure.arms for cure in of):.1f}"),
        *(f"{_mean(cure.cost for cure in of):.2f}", f"{max(cure.cost for cure in of):.2f}"),
        f"{_mean(cure.seconds for cure in of):.0f}",
    )


def _blind(cures: Sequence[Cure]) -> str:
    text = BLIND.format(n=len(offered(SWITCHES)), runs=len(cures))
    return f"{text}\n{table(TOTALS, _totals(cures))}\n\n{table(RUNS, _runs(cures))}"


def _switches() -> Iterator[tuple[str, ...]]:
    for one in SWITCHES:
        yield f"`{one.name}`", one.does, ", ".join(one.treats)


LOST = ("run", "diagnosis", "prescribed", "score", "before", "twin", "in the end")


def _lost(cures: Iterable[Cure]) -> Iterator[tuple[str, ...]]:
    for cure in _sorted(cures):
        yield (
            *(f"`{cure.id}`", cure.cause or "none", cure.best),
            *(_number(cure.score), _number(cure.before), _number(cure.twin)),
            f"{cure.verdict}; {cure.why or 'nothing is tried of a run that the diagnosis calls healthy'}",
        )


NAMED = ("run", "diagnosis", "planted", "decisive", "which treats")


def _otherwise(cures: Iterable[Cure]) -> Iterator[tuple[str, ...]]:
    for cure in _sorted(cures):
        if cure.is_repaired and not cure.agrees:
            kinds, treats = ", ".join(cure.kinds), ", ".join(cure.treats)
            yield f"`{cure.id}`", cure.cause or "none", kinds, cure.decisive or "none", treats


FAULTS = ("fault", "runs", "repaired", "agrees", "by", "arms", "cost")


def _faults(cures: Sequence[Cure]) -> Iterator[tuple[str, ...]]:
    for fault in sorted({cure.fault for cure in cures}):
        of = [cure for cure in cures if cure.fault == fault]
        by = ", ".join(dict.fromkeys(cure.decisive for cure in of if cure.decisive and cure.is_repaired))
        yield (
            *(f"`{fault}`", str(len(of)), str(sum(cure.is_repaired for cure in of))),
            *(str(sum(cure.is_repaired and cure.agrees for cure in of)), by),
            *(f"{_mean(cure.arms for cure in of):.1f}", f"{_mean(cure.cost for cure in of):.2f}"),
        )


RUNS = ("run", "diagnosis", "prescribed", "before", "score", "twin", "repaired", "agrees", "arms", "cost", "seconds")


def _runs(cures: Iterable[Cure]) -> Iterator[tuple[str, ...]]:
    for cure in _sorted(cures):
        yield (
            *(f"`{cure.id}`", cure.cause or "none", cure.best),
            *(_number(cure.before), _number(cure.score), _number(cure.twin)),
            *("yes" if yes else "no" for yes in (cure.is_repaired, cure.agrees)),
            *(str(cure.arms), f"{cure.cost:.2f}", f"{cure.seconds:.0f}"),
        )


def _sorted(cures: Iterable[Cure]) -> list[Cure]:
    return sorted(cures, key=lambda cure: cure.id)


def _share(of: Iterable[bool]) -> str:
    values = list(of)
    return f"{sum(values) / len(values):.3f}" if values else ""


def _mean(values: Iterable[float]) -> float:
    known = list(values)
    return sum(known) / len(known) if known else math.nan


def _number(value: float) -> str:
    return "NaN" if math.isnan(value) else f"{value:.3g}"
