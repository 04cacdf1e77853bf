"""From findings to the one cause: a table of what brings about what."""

from dataclasses import dataclass, replace

from .findings import KINDS, SEVERITIES, Finding

EARLY = 10
"""Iterations by which a consequence may show before what brought it about: detectors date within so much."""

CONSEQUENCES = frozenset(
    {
        *("saturation-plateau", "vanishing-through-time", "dead-units", "attention-collapse", "single-class-collapse"),
        *("gradient-death", "learning-rate-too-low", "constant-predictor", "bypassed-recurrence"),
    }
)
"""What a network comes to when something is wrong with its loop."""

EXPLAINS: dict[str, frozenset[str]] = {
    "broken-objective": frozenset(KINDS) - {"broken-objective"} | {"constant-predictor/shrunk"},
    "label-problem": frozenset(KINDS) - {"label-problem", "broken-objective", "non-finite"}
    | {"broken-objective/effects"},
    "non-finite": CONSEQUENCES
    | {"frozen-parameters", "exploding-gradients", "learning-rate-too-high", "label-problem"},
    "learning-rate-too-high": CONSEQUENCES | {"exploding-gradients", "non-finite"},
    "exploding-gradients": CONSEQUENCES | {"non-finite"},
    "frozen-parameters": CONSEQUENCES - {"gradient-death", "learning-rate-too-low"},
    "dead-units": CONSEQUENCES - {"dead-units"},
    "attention-collapse": frozenset(
        {"constant-predictor", "gradient-death/part", "vanishing-through-time", "dead-units"}
    ),
    "single-class-collapse": CONSEQUENCES - {"single-class-collapse", "learning-rate-too-low"}
    | {"exploding-gradients"},
    "saturation-plateau": CONSEQUENCES - {"saturation-plateau", "dead-units"},
    "vanishing-through-time": frozenset({"constant-predictor", "gradient-death"}),
    "gradient-death": frozenset(
        {"frozen-parameters", "learning-rate-too-low", "constant-predictor", "attention-collapse"}
    ),
    "learning-rate-too-low": frozenset(
        {"frozen-parameters", "constant-predictor", "attention-collapse", "single-class-collapse"}
    ),
    "constant-predictor/shrunk": CONSEQUENCES - {"constant-predictor"} | {"broken-objective/effects"},
}
"""What each kind, or one variant of it, brings about by itself, where it was there first."""

BEFORE_LEARNING = 30
"""Iterations within which whatever keeps a net from learning is there; ours: plateaus saturated by 16 to 29. What comes
later comes of not learning."""

AT_THE_BEGINNING = frozenset({"constant-predictor/", "constant-predictor/under-trained", "attention-collapse/uniform"})
"""What every net is like at its beginning: that it lasted is what is explained, not that it began."""

PRECEDENCE = tuple(KINDS)
"""Among findings that do not explain each other: from faults of the loop to what a network does by itself."""


AFTERMATH = frozenset({"dead-units", "saturation-plateau", "gradient-death", "bypassed-recurrence"})
"""What a network that has nothing to learn comes to as well."""

LEFT_OVER = frozenset({"label-problem/unrelated", "label-problem/memorised", "label-problem/shuffled"})
"""Findings that are concluded from the absence of any other reason."""


@dataclass(frozen=True)
class Cause:
    """The finding that explains the others.

    explained : active findings that follow from it
    beside : active ones that do not
    """

    finding: Finding
    explained: tuple[Finding, ...]
    beside: tuple[Finding, ...]


def cause_of(findings: list[Finding]) -> Cause | None:
    """The cause of what is wrong at the end; None where nothing is.

    The worst finding that no other explains, in order of `PRECEDENCE`, then of onset; where each explains another, the
    earliest. One that is over counts too, as critical as it was, where what it brought about goes on.
    """
    active = [finding for finding in findings if finding.is_active and finding.severity != "info"]
    if not active:
        return None
    wrong = [*active, *_that_led_to(active, findings)]
    free = [finding for finding in wrong if not any(explains(other, finding) for other in wrong)]
    chosen = (
        min(free, key=lambda f: (SEVERITIES.index(f.severity), PRECEDENCE.index(f.kind), f.onset))
        if free
        else min(wrong, key=lambda f: (f.onset, PRECEDENCE.index(f.kind)))
    )
    others = [finding for finding in active if finding is not chosen]
    explained = tuple(finding for finding in others if explains(chosen, finding))
    return Cause(chosen, explained, tuple(finding for finding in others if finding not in explained))


def _that_led_to(active: list[Finding], findings: list[Finding]) -> list[Finding]:
    """Findings that are over and brought about what goes on, or what brought that about, as critical as they were."""
    over = [replace(f, severity="critical") for f in findings if not f.is_active and f.at_worst == "critical"]
    chain: list[Finding] = []
    while more := [f for f in over if f not in chain and any(_led_to(f, other) for other in active + chain)]:
        chain += more
    return chain


def _led_to(over: Finding, other: Finding) -> bool:
    """Whether a finding that is over brought about another, which began while it lasted."""
    return explains(over, other) and over.onset <= other.onset <= over.last + EARLY


def is_left_over(finding: Finding, findings: list[Finding]) -> bool:
    """Whether a finding that is concluded from the absence of another reason has one beside it."""
    if f"{finding.kind}/{finding.variant}" not in LEFT_OVER:
        return False
    others = [other for other in findings if other.at_worst != "info" and _is_reason(other)]
    if finding.variant == "shuffled":
        return any(abs(other.onset - finding.onset) <= EARLY for other in others)
    active = [other for other in others if other.is_active]
    return any(other.kind not in AFTERMATH or other.onset <= BEFORE_LEARNING for other in active)


def _is_reason(other: Finding) -> bool:
    """Whether a finding can be a reason not to learn."""
    is_usual = f"{other.kind}/{other.variant}" in AT_THE_BEGINNING
    return not is_usual and other.kind not in ("label-problem", "learning-rate-too-low")


def explains(cause: Finding, other: Finding) -> bool:
    """Whether one finding brings about another: by the table, and if it was there first."""
    was_first = f"{other.kind}/{other.variant}" in AT_THE_BEGINNING or cause.onset <= other.onset + EARLY
    return was_first and bool(EXPLAINS.get(_name(cause), frozenset()) & {_name(other), f"{other.kind}/{other.variant}"})


def _name(finding: Finding) -> str:
    """Its kind, or with the variant where the table has that."""
    whole = f"{finding.kind}/{finding.variant}"
    return whole if whole in EXPLAINS else finding.kind
