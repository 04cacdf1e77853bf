"""What a diagnosis is made of: kinds of collapse, findings, and what could not be judged."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

Severity = Literal["critical", "warning", "info"]

SEVERITIES: tuple[Severity, ...] = ("critical", "warning", "info")
"""From worst to least."""

KINDS: dict[str, str] = {
    "broken-objective": "the loss does not fit what the model gives",
    "label-problem": "the targets cannot be learned, or the inputs do not vary",
    "non-finite": "NaN or infinity",
    "frozen-parameters": "no gradient reaches them, or no optimiser holds them",
    "learning-rate-too-high": "updates too large to learn by",
    "exploding-gradients": "gradients grow without bound",
    "saturation-plateau": "recurrent units saturated, one shared answer for all clips, the objective sound",
    "vanishing-through-time": "the total gradient dies along the frames",
    "dead-units": "activations stuck at zero or a bound outside the RNN",
    "attention-collapse": "attention that is uniform, at one frame, on padding, or shared out among classes",
    "single-class-collapse": "one class on top for nearly every clip",
    "gradient-death": "gradients vanish to rounding",
    "learning-rate-too-low": "updates too small to learn by",
    "constant-predictor": "the same ranking for every clip",
    "bypassed-recurrence": "it learns, and the RNN carries nearly none of the score",
}
"""Every kind of finding and what it means."""


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, or worth knowing.

    kind : one of KINDS
    onset, last : first and last iteration at which it held; 0 before training
    evidence : what was measured, by name; numbers alone
    variant : which of the forms that a kind may take, a key of `advice`; empty where there is one
    where : the parameter, module or class it is about; empty for the network as a whole
    is_active : it still held at the end of what was looked at
    at_worst : its severity while it held
    explanation, remedies, source : what it means, which interventions to try in order, where the criterion is from
    """

    kind: str
    severity: Severity
    onset: int
    last: int
    evidence: Mapping[str, float] = field(default_factory=dict)
    variant: str = ""
    where: str = ""
    is_active: bool = True
    at_worst: Severity = "info"
    explanation: str = ""
    remedies: tuple[str, ...] = ()
    source: str = ""

    def __post_init__(self) -> None:
        if self.kind not in KINDS or self.severity not in SEVERITIES:
            raise ValueError(f"no such finding: {self.kind!r}, {self.severity!r}")

    def to_dict(self) -> dict[str, Any]:
        """As `flatline diagnose --json` prints it."""
        return {
            "kind": self.kind,
            "severity": self.severity,
            "onset": int(self.onset),
            "last": int(self.last),
            "evidence": {name: plain(value) for name, value in self.evidence.items()},
            "explanation": self.explanation,
            "remedies": list(self.remedies),
            "source": self.source,
        }


@dataclass(frozen=True)
class Undetermined:
    """A kind that could not be judged, and what was missing for it."""

    kind: str
    why: str


def plain(value: Any) -> float | int | None:
    """A number for JSON; None for NaN and infinities.

    >>> plain(np.float32(0.5)), plain(float("nan")), plain(np.int64(3))
    (0.5, None, 3)
    """
    number = value.item() if isinstance(value, np.generic) else value
    if isinstance(number, bool | int):
        return int(number)
    return float(number) if np.isfinite(number) else None
