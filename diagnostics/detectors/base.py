"""What every detector shares: how a stretch becomes a finding."""

from collections.abc import Iterable, Mapping

import numpy as np

from ..findings import Finding, Severity, Undetermined
from ..stretches import Stretch

Found = Iterable[Finding | Undetermined]


def found(
    kind: str,
    severity: Severity,
    stretch: Stretch,
    evidence: Mapping[str, float],
    *,
    variant: str = "",
    where: str = "",
) -> Finding:
    """A finding of a stretch; what does not hold at the end any more is worth knowing, and no more."""
    return Finding(
        kind,
        severity if stretch.is_active else "info",
        stretch.first,
        stretch.last,
        {name: float(value) for name, value in evidence.items()},
        variant,
        where,
        stretch.is_active,
        severity,
    )


def newest(values: np.ndarray, span: int = 20) -> float:
    """Median of the last recorded values; NaN where there is none."""
    good = values[np.isfinite(values)]
    return float(np.median(good[-span:])) if len(good) else float("nan")
