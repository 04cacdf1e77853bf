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

NOT_YET = (
    "nothing was learned yet, and nothing that was recorded says why; train on, and look at whether labels and inputs "
    "belong together"
)

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


PASSING = frozenset(
    {
        *("saturation-plateau", "constant-predictor", "single-class-collapse", "vanishing-through-time"),
        *("attention-collapse", "label-problem/unrelated", "label-problem/memorised"),
    }
)
"""What a sound net may be like at its beginning."""

SLOW = PASSING | {"gradient-death", "learning-rate-too-low", "dead-units"}
"""What may pass by itself later too."""

PATIENCE = 200
"""Iterations that a finding of `SLOW` must last in a run under way before it is critical. Ours: plateaus that woke did
so within 150."""

PATIENCE_ENDED = 100
"""The same in a run that has ended, where nothing more will come."""

A_BEGINNING = 100
"""Recorded iterations up to which a finding of `PASSING` is no more than worth knowing; ours: of 125 healthy runs
cut at 30 iterations 42 had one, at 60 there were 17."""


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
    if len(view.iterations) < SHORTEST:
        why = f"{len(view.iterations)} iterations are recorded; a net is not called healthy before {SHORTEST}"
        missing = (Undetermined("too-short", why), *missing)
    elif cause is None and view.has_learned is False:
        missing += (Undetermined("constant-predictor", NOT_YET),)
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
    """The finding, less severe where it may pass yet: a warning until it has lasted, and no more at its beginning."""
    if finding.variant == "chart":  # of an evaluation, which is not waited for
        return finding
    names = {finding.kind, f"{finding.kind}/{finding.variant}"}
    patience = PATIENCE if view.is_running else PATIENCE_ENDED
    severity = finding.severity
    if names & SLOW and severity == "critical" and finding.last - finding.onset < patience:
        severity = "warning"
    if names & PASSING and len(view.iterations) < A_BEGINNING:
        severity = "info"
    return replace(finding, severity=severity)


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
