"""What each level of recording measures."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .errors import unknown
from .signals import (
    Activations,
    AttentionMaps,
    ClassScores,
    GradientNorms,
    HiddenGradients,
    InputHealth,
    LabelHealth,
    OutputHealth,
    RecurrentStates,
    Signal,
    WeightUpdates,
)
from .signals.hidden_gradients import REPLAY_SHARE

SIGNALS: tuple[type[Signal], ...] = (
    GradientNorms,  # first: others use its norms
    WeightUpdates,
    InputHealth,
    OutputHealth,
    LabelHealth,
    ClassScores,
    AttentionMaps,
    RecurrentStates,
    HiddenGradients,
    Activations,
)
"""Every signal, in the order in which they are collected."""

LEVELS: dict[str, tuple[str, ...]] = {
    "light": ("gradients", "outputs", "labels"),
    "standard": (
        "gradients",
        "weights",
        "inputs",
        "outputs",
        "labels",
        "classes",
        "attention",
        "recurrent",
        "hidden_gradients",
    ),
    "deep": (*(signal.subject for signal in SIGNALS), "openness"),
}
"""Subjects by level; openness, of gates, is measured on the pinned clips at each evaluation (`pinned`)."""

DEEP_REPLAY_SHARE = 0.04
"""Of the training time that replays of RNNs may take at level deep; ours, from what it may cost in all (15 %)."""


@dataclass(frozen=True)
class Chosen:
    """What a recorder was asked to measure.

    level : a level, a subject, or several of both
    maps : kinds of attention maps by path
    activations : modules asked for by path; None leaves it to the level
    bent : the loss is weighted or bent, so that its size says nothing
    scale : gives the factor that a GradScaler multiplies the loss by
    """

    level: str | Sequence[str]
    maps: Mapping[str, str] = field(default_factory=dict)
    activations: Sequence[str] | None = None
    scale: Callable[[], Any] = lambda: 1.0
    bent: bool = False

    def signals(self) -> list[Signal]:
        """New signals, in the order in which they are collected.

        Raises UnknownNameError for a name that is neither a level nor a subject.
        """
        subjects = subjects_of(self.level) | ({"activations"} if self.activations is not None else set())
        share = DEEP_REPLAY_SHARE if "deep" in names_of(self.level) else REPLAY_SHARE
        every: dict[type[Signal], Callable[[], Signal]] = {
            AttentionMaps: lambda: AttentionMaps(self.maps),
            HiddenGradients: lambda: HiddenGradients(share, self.scale),
            LabelHealth: lambda: LabelHealth(self.bent),
            Activations: lambda: Activations(self.activations),
        }
        return [every.get(kind, kind)() for kind in SIGNALS if kind.subject in subjects]


def names_of(level: str | Sequence[str]) -> list[str]:
    """One name or several as a list."""
    return [level] if isinstance(level, str) else list(level) if isinstance(level, Iterable) else [str(level)]


def subjects_of(level: str | Sequence[str]) -> set[str]:
    """Subjects of a level, of a subject by its own name, or of several of both; gradients are always among them.

    Raises UnknownNameError for a name that is neither.

    >>> sorted(subjects_of(["light", "recurrent"]))
    ['gradients', 'labels', 'outputs', 'recurrent']
    """
    names = names_of(level)
    known = {**LEVELS, **{subject: (subject,) for subject in LEVELS["deep"]}}
    for name in names:
        if name not in known:
            raise unknown("level", str(name), list(known), "Recorder")
    return {"gradients", *(subject for name in names for subject in known[name])}
