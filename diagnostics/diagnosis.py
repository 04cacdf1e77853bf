"""The diagnosis: findings in order, the verdict, and the one cause among them."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from .advice import advised
from .causes import Cause, cause_of
from .detectors import DETECTORS
from .findings import SEVERITIES, Finding, Undetermined
from .recorded import Signals
from .view import View

SHORTEST = 50
"""Recorded iterations below which nothing is called healthy; ours: the slowest collapse of the story showed by then."""

ESSENTIAL = ("non-finite", "gradient-death", "constant-predictor", "broken-objective")
"""Kinds without whose judgement nothing is called healthy."""


@dataclass(frozen=True)
class Diagnosis:
    """What became of a run.

    verdict : "collapsed", "at-risk", "healthy" or "undetermined"
    cause : the kind of the finding that explains the others; None where there is nothing to explain
    findings : the cause first, then by severity and onset
    undetermined : what could not be judged, and why
    iterations : how many were looked at
    """

    verdict: str
    cause: str | None
    findings: tuple[Finding, ...]
    undetermined: tuple[Undetermined, ...]
    iterations: int
    reasons: Cause | None = None

    def to_dict(self) -> dict[str, Any]:
        """As `flatline diagnose --json` prints it, the run's name left out."""
        return {
            "iterations": self.iterations,
            "verdict": self.verdict,
            "cause": self.cause,
            "findings": [finding.to_dict() for finding in self.findings],
        }


PATIENCE: dict[str, int] = dict.fromkeys(
    (
        *("saturation-plateau", "constant-predictor", "single-class-collapse", "gradient-death"),
        *("vanishing-through-time", "attention-collapse", "learning-rate-too-low", "dead-units"),
    ),
    200,
)
"""Iterations that a finding must last in a run under way before it is critical: a slow start looks like a plateau.
Ours: plateaus that woke did so within 150 iterations. In a run that has ended nothing is waited for."""


def diagnose(signals: Signals, detectors: Mapping[str, Any] = DETECTORS) -> Diagnosis:
    """What collapsed in a run, when and why.

    signals : a `flatline.Run`, or any other `Signals`
    """
    view = View(signals)
    said = [entry for detect in detectors.values() for entry in detect(view)] if len(view.iterations) else []
    findings = [advised(_patient(entry, view)) for entry in said if isinstance(entry, Finding)]
    missing = tuple(entry for entry in said if isinstance(entry, Undetermined))
    cause = cause_of(findings, view)
    return Diagnosis(
        _verdict(findings, missing, len(view.iterations)),
        None if cause is None else cause.finding.kind,
        tuple(sorted(findings, key=lambda finding: _order(finding, cause))),
        missing,
        len(view.iterations),
        cause,
    )


def _patient(finding: Finding, view: View) -> Finding:
    """The finding, a warning as yet where the run goes on and it may pass."""
    is_early = finding.last - finding.onset < PATIENCE.get(finding.kind, 0)
    if view.is_running and finding.severity == "critical" and is_early:
        return replace(finding, severity="warning")
    return finding


def _order(finding: Finding, cause: Cause | None) -> tuple[Any, ...]:
    is_cause = cause is not None and finding is cause.finding
    return not is_cause, SEVERITIES.index(finding.severity), not finding.is_active, finding.onset


def _verdict(findings: list[Finding], missing: tuple[Undetermined, ...], iterations: int) -> str:
    active = {finding.severity for finding in findings if finding.is_active}
    if "critical" in active:
        return "collapsed"
    if "warning" in active:
        return "at-risk"
    if iterations < SHORTEST or any(entry.kind in ESSENTIAL for entry in missing):
        return "undetermined"
    return "healthy"
