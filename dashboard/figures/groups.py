"""How runs and groups of them look beside each other: one label, colour, dash and symbol each, in every figure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ...runs.comparing import groups, in_words, names_of, recipe_differences
from ...runs.run import Run
from .theme import Theme

COLOURS = {
    "light": ("#0072b2", "#d55e00", "#009e73", "#b45a93", "#b07c00", "#3a9fd8", "#1f2430"),
    "dark": ("#56b4e9", "#f0813a", "#2cc295", "#d98fc0", "#f0e442", "#9db7ff", "#e6e8ec"),
}
"""From Okabe and Ito's colour-blind-safe set, darkened or lightened until they stand out from the scheme's paper."""

DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "x", "triangle-down", "star", "cross")

LABEL_LENGTH = 34
"""Characters of a label: what a legend beside the figure has room for."""

TOLD_KEYS = 2
"""Differing keys of the recipes up to which a run's label tells its values."""


@dataclass(frozen=True)
class Style:
    """How one run, or group of runs, is drawn: no two of 42 have the same colour and dash."""

    label: str
    colour: str
    dash: str
    symbol: str


def styles(labels: Sequence[str], theme: Theme) -> dict[str, Style]:
    """A style for each of the labels, by their order."""
    colours = COLOURS[theme.name]
    return {
        label: Style(
            label,
            colours[place % len(colours)],
            DASHES[place % len(DASHES)],
            SYMBOLS[place % len(SYMBOLS)],
        )
        for place, label in enumerate(labels)
    }


def labelled(runs: Sequence[Run], by: str | None = None) -> dict[str, list[Run]]:
    """Runs by label: each for itself, or those put together that are alike in `by`; a run given twice counts once.

    by : as `runs.comparing.groups` takes it
    Raises UnknownNameError for a key that no run has.
    """
    once = list({str(run.path): run for run in runs}.values())
    if by:
        return {_of_runs(label, len(members)): members for label, members in groups(once, by).items()}
    return {label: [run] for label, run in zip(labels_of(once), once, strict=True)}


def labels_of(runs: Sequence[Run]) -> list[str]:
    """A short label a run, all different: its name, and what sets its recipe apart where that is a key or two."""
    differences, names = recipe_differences(runs), names_of(runs)
    if not 0 < len(differences) <= TOLD_KEYS:
        return _short(names)
    values = differences.to_numpy(dtype=object).T.tolist()
    keys = [str(key).rpartition(".")[2] for key in differences.index]
    told = [", ".join(f"{key} {in_words(value)}" for key, value in zip(keys, row, strict=True)) for row in values]
    short = _short(names, max(LABEL_LENGTH - max(map(len, told)) - 3, LABEL_LENGTH // 2))
    return [f"{name} · {what}" for name, what in zip(short, told, strict=True)]


def of_groups(members: Mapping[str, Sequence[Run]]) -> bool:
    """Whether any label stands for more than one run."""
    return any(len(runs) > 1 for runs in members.values())


def _of_runs(label: str, count: int) -> str:
    return f"{cut(label)} · {count} run{'s' if count > 1 else ''}"


def _short(names: Sequence[str], length: int = LABEL_LENGTH) -> list[str]:
    """The names in so many characters, whole where they would else be the same."""
    short = [cut(name, length) for name in names]
    return [name if short.count(cut_name) > 1 else cut_name for name, cut_name in zip(names, short, strict=True)]


def cut(name: str, length: int = LABEL_LENGTH) -> str:
    """A label in at most so many characters, the middle left out.

    >>> cut("a-name-too-long", 9)
    'a-na…long'
    """
    kept = length - 1
    return name if len(name) <= length else f"{name[: kept // 2]}…{name[-(kept - kept // 2) :]}"
