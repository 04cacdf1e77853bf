"""How well runs were judged: pure arithmetic on what was said of each and what was true of it."""

import statistics
from collections.abc import Iterable
from dataclasses import dataclass

WRONG = ("collapsed", "at-risk")
"""Verdicts that call a run faulty."""

CLOSE = 10
"""Iterations by which an onset may be off."""


@dataclass(frozen=True)
class Said:
    """One finding, as much of it as is judged."""

    kind: str
    severity: str
    onset: int
    is_active: bool = True


@dataclass(frozen=True)
class Result:
    """What was true of a run and what was said of it.

    kinds : that may be its cause, the preferred first; none for a healthy run
    onset : iteration at which the fault was switched on; None for a healthy run
    cause : kind of the finding that was named as the cause; None where nothing was
    said : findings, the cause first
    """

    id: str
    half: str
    fault: str | None
    kinds: tuple[str, ...]
    onset: int | None
    verdict: str
    cause: str | None
    said: tuple[Said, ...] = ()

    @property
    def is_called_wrong(self) -> bool:
        """Whether the verdict is that something is wrong."""
        return self.verdict in WRONG

    @property
    def is_right(self) -> bool:
        """Whether the cause is one that may be; for a healthy run, whether nothing is called wrong."""
        return self.cause in self.kinds if self.fault else not self.is_called_wrong

    @property
    def onset_error(self) -> int | None:
        """Iterations by which the cause's onset is late (early: negative) in a run that was broken midway.

        None for other runs, and where the cause is not right.
        """
        if not self.onset or not self.is_right:
            return None
        return next(one.onset for one in self.said if one.kind == self.cause) - self.onset

    @property
    def criticals(self) -> tuple[str, ...]:
        """Kinds of the critical findings, whether they held to the end or not."""
        return tuple(one.kind for one in self.said if one.severity == "critical")


@dataclass(frozen=True)
class Totals:
    """Of a set of runs; NaN where there is nothing to count.

    recall : share of faulty runs that are called wrong
    precision : share of runs called wrong that are faulty
    right : share of faulty runs whose cause is right
    preferred : share of faulty runs whose cause is the first of the kinds that may be
    close : share of faults switched on midway whose onset is within `CLOSE`, the cause being right; others count as off
    median_error : iterations, of those with the right cause
    criticals : healthy runs with a critical finding
    """

    n_faulty: int
    n_healthy: int
    n_midway: int
    recall: float
    precision: float
    right: float
    preferred: float
    close: float
    median_error: float
    criticals: int


def totals(results: Iterable[Result]) -> Totals:
    """Count."""
    results = list(results)
    faulty, healthy = [one for one in results if one.fault], [one for one in results if not one.fault]
    midway = [one for one in faulty if one.onset]
    errors = [abs(one.onset_error) for one in midway if one.onset_error is not None]
    return Totals(
        *(len(faulty), len(healthy), len(midway)),
        recall=share(one.is_called_wrong for one in faulty),
        precision=share(bool(one.fault) for one in results if one.is_called_wrong),
        right=share(one.is_right for one in faulty),
        preferred=share(one.cause == one.kinds[0] for one in faulty),
        close=sum(error <= CLOSE for error in errors) / len(midway) if midway else float("nan"),
        median_error=float(statistics.median(errors)) if errors else float("nan"),
        criticals=sum(bool(one.criticals) for one in healthy),
    )


def share(held: Iterable[bool]) -> float:
    """Of those for which it held; NaN of none."""
    held = list(held)
    return sum(held) / len(held) if held else float("nan")


TORCHMORTEM = {
    "gradient_flow": ("gradient-death", "vanishing-through-time", "exploding-gradients", "saturation-plateau"),
    "dead_units": ("dead-units",),
    "saturation": ("dead-units", "saturation-plateau"),
    "update_ratio": ("learning-rate-too-high", "learning-rate-too-low", "frozen-parameters"),
    "loss_dynamics": ("learning-rate-too-high", "learning-rate-too-low", "exploding-gradients", "non-finite"),
    "gradient_noise": ("label-problem", "learning-rate-too-high"),
    "rank_collapse": ("constant-predictor", "attention-collapse", "single-class-collapse"),
    "weight_norm": ("exploding-gradients", "learning-rate-too-high"),
}
"""Kinds that a finding of torchmortem's detectors may be said to name, read generously: ours."""


def of_torchmortem(result: Result, findings: Iterable[dict], least: str) -> Result:
    """The same run as torchmortem judged it: wrong with a finding at `least` this severe, its worst one the cause."""
    levels = {"critical": ("critical",), "warning": ("critical", "warning")}[least]
    worst = sorted(
        (one for one in findings if one["severity"] in levels), key=lambda one: levels.index(one["severity"])
    )
    said = tuple(Said(_kind(one, result.kinds), one["severity"], (one["step_range"] or [0])[0]) for one in worst)
    verdict = "collapsed" if said else "healthy"
    cause = said[0].kind if said else None
    return Result(result.id, result.half, result.fault, result.kinds, result.onset, verdict, cause, said)


def _kind(finding: dict, wanted: tuple[str, ...]) -> str:
    """The kind that it may be said to name, a right one if any is."""
    named = TORCHMORTEM.get(finding["detector"], ())
    return next((kind for kind in wanted if kind in named), named[0] if named else finding["detector"])
