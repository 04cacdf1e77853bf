"""What came of trying a run of the zoo, and how it is counted."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from flatline import Run
from flatline.diagnostics.advice import ADVICE
from flatline.runs.interventions import Intervention, interventions
from flatline.runs.revive.revived import Revived
from plan import Planned
from verified import outcome

WITHIN = 0.9
"""Share of the healthy twin's score from which a run is repaired."""


@dataclass(frozen=True)
class Cure:
    """One run.

    kinds : that the planted fault may be said to have
    cause : of the diagnosis of the run as it was
    best : the prescription
    decisive : of its interventions, the one with which the score rose most; None where nothing was prescribed
    treats : kinds of finding that this one treats: the causes that the trial names
    by_loop : whether it is a step of the loop that its owner can take out, and none of Flatline's own
    score, twin, before : as docs/zoo.md has them, of the prescribed arm, of the healthy twin, of the run
    arms : tried, the control aside
    cost : iterations of all arms and of the control, over those of as many whole runs as there are arms
    seconds : of CPU
    verdict, why : of the prescribed arm, and what the last stage came to
    """

    id: str
    fault: str
    kinds: Sequence[str]
    cause: str | None
    best: str
    decisive: str | None
    treats: Sequence[str]
    by_loop: bool
    score: float
    twin: float
    before: float
    arms: int
    cost: float
    seconds: float
    verdict: str | None
    why: str

    @property
    def is_repaired(self) -> bool:
        """Whether its score is within a tenth of its healthy twin's."""
        return self.score >= WITHIN * self.twin

    @property
    def agrees(self) -> bool:
        """Whether the trial names the cause that the diagnosis named."""
        return self.cause in self.treats

    @property
    def is_right(self) -> bool:
        """Whether it names the fault that was planted."""
        return any(kind in self.treats for kind in self.kinds)

    @property
    def in_words(self) -> str:
        """For whoever waits."""
        said = "repaired" if self.is_repaired else "NOT repaired"
        scores = f"{self.before:.3f} -> {self.score:.3f} of {self.twin:.3f}"
        return (
            f"{said} by {self.best} ({scores}; {self.cause}; {self.arms} arms, {self.cost:.2f}, {self.seconds:.0f} s)"
        )


def cure_of(
    found: Revived, planned: Planned, kinds: Sequence[str], twin: Path, own: Sequence[Intervention], seconds: float
) -> Cure:
    """Of what `flatline.revive` gave; the arms' runs are read."""
    run = Path(found.run)
    tried = [arm for arm in found.arms if arm["intervention"] != "unchanged"]
    trained = sum(len(Run(folder)) for folder in run.parent.iterdir() if _is_arm(folder, run))
    decisive = _decisive(found)
    best = run if found.best == "unchanged" else Path(found.best_arm["run"])
    return Cure(
        *(planned.id, planned.fault or "", list(kinds), found.arms[0]["cause"], found.best, decisive),
        *(sorted(treated(decisive, own)), decisive in {one.name for one in own}),
        *(outcome(best).score, outcome(twin).score, outcome(run).score),
        *(len(tried), trained / (max(1, len(tried)) * len(Run(run))), round(seconds, 1)),
        *(found.best_arm["verdict"], found.stages[-1]["why"] if found.stages else found.stopped),
    )


def treated(name: str | None, own: Iterable[Intervention]) -> set[str]:
    """Kinds of finding for which an intervention is tried: that it says so, or that their advice names it."""
    known = {one.name: one for one in (*interventions(), *own)}
    if name is None:
        return set()
    return {*known[name].treats, *(kind for (kind, _), advice in ADVICE.items() if name in advice.remedies)}


def offered(own: Sequence[Intervention]) -> list[Intervention]:
    """All that can be tried of a loop; one of the loop's own takes the place of one of its name."""
    names = {one.name for one in own}
    return [*own, *(one for one in interventions() if one.suits_loops and one.name not in names)]


def by_chance(cures: Sequence[Cure], own: Sequence[Intervention]) -> float:
    """Share of agreement with the diagnosis if decisive interventions were drawn from all that suit a loop."""
    kinds = [treated(one.name, own) for one in offered(own)]
    shares = [sum(cure.cause in of for of in kinds) / len(kinds) for cure in cures]
    return sum(shares) / len(shares) if shares else math.nan


def _is_arm(folder: Path, run: Path) -> bool:
    return folder != run and (folder / "run.json").is_file()


def _decisive(found: Revived) -> str | None:
    """The intervention with which the score rose most, of those that were kept."""
    scores = {arm["intervention"]: _number(arm["lwlrap"]) for arm in found.arms}
    gains = {
        stage["kept"].split("+")[-1]: scores[stage["kept"]] - scores[stage["on"]]
        for stage in found.stages
        if stage["kept"] is not None
    }
    return max(gains, key=lambda name: gains[name]) if gains else None


def _number(score: float | None) -> float:
    return -1.0 if score is None else score
