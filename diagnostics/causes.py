"""From findings to the one cause: a table of what explains what."""

from dataclasses import dataclass

from .findings import KINDS, SEVERITIES, Finding
from .view import View

EVERYTHING = frozenset(KINDS)

EXPLAINS: dict[str, frozenset[str]] = {
    "broken-objective": EVERYTHING - {"broken-objective"},
}
"""What each kind brings about by itself."""

PRECEDENCE = tuple(KINDS)
"""Among causes that explain each other not at all: from the loop's own faults to what a network does by itself."""


@dataclass(frozen=True)
class Cause:
    """The finding that explains the others."""

    finding: Finding
    explained: tuple[Finding, ...]


def cause_of(findings: list[Finding], view: View) -> Cause | None:
    """The cause among what is wrong at the end; None where nothing is."""
    active = [finding for finding in findings if finding.is_active and finding.severity != "info"]
    if not active:
        return None
    kinds = {finding.kind for finding in active}
    free = [f for f in active if not any(f.kind in EXPLAINS.get(kind, ()) for kind in kinds - {f.kind})]
    chosen = min(free or active, key=lambda f: (SEVERITIES.index(f.severity), PRECEDENCE.index(f.kind), f.onset))
    return Cause(chosen, tuple(f for f in active if f is not chosen))
