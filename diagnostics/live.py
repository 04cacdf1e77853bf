"""Findings while the training runs."""

import time
from collections.abc import Callable, Mapping
from typing import Any

from .cadence import Cadence
from .diagnosis import Diagnosis, diagnose
from .findings import Finding
from .history import History

SHARE = 0.005
"""Of the training time that looking for findings may take; ours."""

LIGHT_SHARE = 0.001
"""The same at level light, which must cost next to nothing."""

FIRST = 20
"""Recorded iterations before the first look: no detector judges by fewer than 10."""


class Live:
    """Diagnoses a run under way now and then.

    info : gives what run.json says
    share : of the time that may be spent
    newest : the newest diagnosis; None before the first
    """

    def __init__(self, info: Callable[[], Mapping[str, Any]], share: float = SHARE) -> None:
        self.history = History(info)
        self.newest: Diagnosis | None = None
        self._cadence = Cadence(share)
        self._told: dict[tuple[str, str], str] = {}

    def see(self, row: Mapping[str, Any]) -> list[Finding]:
        """Keep a row, and look if it is time; what is new."""
        self.history.see(row)
        return self.look() if len(self.history) >= FIRST and self._cadence.is_due() else []

    def look(self) -> list[Finding]:
        """Diagnose what there is; active warnings and critical findings that are new, or were a warning before."""
        begun = time.monotonic()
        try:
            self.newest = diagnose(self.history)
        finally:
            self._cadence.spend(time.monotonic() - begun)
        return [finding for finding in self.newest.findings if self._is_new(finding)]

    def end(self, status: str) -> list[Finding]:
        """Look once more, at a run that has ended so: there is nothing left to wait for."""
        self.history.status = status
        return self.look() if len(self.history) >= FIRST else []

    def _is_new(self, finding: Finding) -> bool:
        key = finding.kind, finding.variant
        if not finding.is_active or self._told.get(key, "info") in (finding.severity, "critical"):
            return False
        self._told[key] = finding.severity
        return finding.severity != "info"
