"""The diagnosis: findings in order, the verdict, and the one cause among them."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .advice import advised
from .causes import Cause, cause_of, is_left_over
from .detectors import DETECTORS
from .findings import SEVERITIES, Finding, Undetermined
from .onsets import Onset, onsets
from .reasons import Reasons, reasons_for
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
    why : the cause with the findings that follow from it
    reasons : what speaks for the cause and what against it
    onsets : what died first, by part of the network
    """

    verdict: str
    cause: str | None
    findings: tuple[Finding, ...]
    undetermined: tuple[Undetermined, ...]
    iterations: int
    why: Cause | None = None
    reasons: Reasons | None = None
    onsets: tuple[Onset, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """As `flatline diagnose --json` prints it, the run's name left out."""
        return {
            "iterations": self.iterations,
            "verdict": self.verdict,
            "cause": self.cause,
            "findings": [finding.to_dict() for finding in self.findings],
            "undetermined": [{"kind": entry.kind, "why": entry.why} for entry in self.undetermined],
        }


PATIENCE: dict[str, int] = dict.fromkeys(
    (
        "label-problem/unrelated",
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
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore", RuntimeWarning)  # of means of nothing: what was not recorded is NaN
        is_empty = not len(view.iterations) and not len(view.evaluations)
        said = [] if is_empty else [entry for detect in detectors.values() for entry in detect(view)]
        findings = [advised(_patient(entry, view)) for entry in said if isinstance(entry, Finding)]
        findings = [finding for finding in findings if not is_left_over(finding, findings)]
        cause = cause_of(findings)
        reasons = None if cause is None else reasons_for(cause.finding.kind, view)
        order = onsets(view) if len(view.iterations) else ()
    missing = tuple(entry for entry in said if isinstance(entry, Undetermined))
    return Diagnosis(
        _verdict(findings, missing, len(view.iterations)),
        None if cause is None else cause.finding.kind,
        _ordered(findings, cause),
        missing,
        len(view.iterations),
        cause,
        reasons,
        order,
    )


def _patient(finding: Finding, view: View) -> Finding:
    """The finding, a warning as yet where the run goes on and it may pass."""
    is_early = finding.last - finding.onset < PATIENCE.get(
        f"{finding.kind}/{finding.variant}", PATIENCE.get(finding.kind, 0)
    )
    if view.is_running and finding.severity == "critical" and is_early:
        return replace(finding, severity="warning")
    return finding


def _ordered(findings: list[Finding], cause: Cause | None) -> tuple[Finding, ...]:
    """The cause first, then by severity and onset."""
    first = [] if cause is None else [cause.finding]
    same = [_place(finding) for finding in first]  # not itself, where it is over and told as critical as it was
    rest = [finding for finding in findings if _place(finding) not in same]
    return (*first, *sorted(rest, key=lambda f: (SEVERITIES.index(f.severity), not f.is_active, f.onset)))


def _place(finding: Finding) -> tuple[str, str, str, int]:
    return finding.kind, finding.variant, finding.where, finding.onset


def _verdict(findings: list[Finding], missing: tuple[Undetermined, ...], iterations: int) -> str:
    active = {finding.severity for finding in findings if finding.is_active}
    if "critical" in active:
        return "collapsed"
    if "warning" in active:
        return "at-risk"
    if iterations < SHORTEST or any(entry.kind in ESSENTIAL for entry in missing):
        return "undetermined"
    return "healthy"
