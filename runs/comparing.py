"""What sets runs apart and what puts them together: recipes that differ, groups, series; needs no torch."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from ..diagnostics.errors import unknown
from .run import Run

UNSAID = "not said"
"""Label of the group of runs that do not say what they are grouped by."""

WORDS = ("name", "description")
"""Keys of a recipe that say what it is called, not what is done."""

SHORT = {"architecture": "model.architecture", "head": "model.head"}
"""Short forms of keys."""

SPECIAL = ("attention", "name", "seed")
"""What runs can be grouped by besides a key: having attention, their name's stem, all but the seed."""


def recipe_differences(runs: Sequence[Run]) -> pd.DataFrame:
    """What differs in the recipes of runs: key x run, keys dotted as for `--set`, keys of equal values left out.

    Below them, in brackets, the data root's name and the number of classes, where these differ.

    Of a loop of one's own, which has no recipe, only seed and loss are known; its other keys set nothing apart. None
    stands where a key is not set (or is null).
    Returns columns named as by `names_of`, keys in the order of the recipe.
    """
    settings = [settings_of(run) for run in runs]
    keys = list(dict.fromkeys(key for one in settings for key in one))
    rows = {key: [one.get(key) for one in settings] for key in keys}
    told = [(bool(run.recipe), one) for run, one in zip(runs, settings, strict=True)]
    rows |= (facts := _facts(runs))
    known = {key: [one.get(key) for has_recipe, one in told if has_recipe or key in one] for key in keys}
    known |= {key: [value for value in values if value is not None] for key, values in facts.items()}
    known = {key: values for key, values in known.items() if values}
    apart = {key: rows[key] for key, values in known.items() if any(not _equal(values[0], other) for other in values)}
    index = pd.Index(list(apart), name="key", dtype=object)
    return pd.DataFrame(list(apart.values()), index=index, columns=names_of(runs), dtype=object)


def _facts(runs: Sequence[Run]) -> dict[str, list[Any]]:
    """What runs were trained on, which no recipe says: without it their scores do not compare."""
    data = [run.info.get("data") or {} for run in runs]
    roots = [str(one["root"]).rstrip("/").rpartition("/")[2] if one.get("root") else None for one in data]
    return {"(data root)": roots, "(classes)": [len(run.classes) or None for run in runs]}


def settings_of(run: Run) -> dict[str, Any]:
    """A run's recipe with dotted keys, without its name and description; of a loop of one's own, seed and loss."""
    if run.recipe:
        return {key: value for key, value in _dotted(run.recipe) if key not in WORDS}
    said = {"loss": run.info.get("loss_kind"), "seed": run.info.get("seed")}
    return {key: value for key, value in said.items() if value is not None}


def names_of(runs: Sequence[Run]) -> list[str]:
    """Names of runs that tell them apart: with the folders above where two have the same."""
    paths = [str(run.path).rstrip("/").split("/") for run in runs]
    longest = max(map(len, paths), default=0)
    for depth in range(1, longest + 1):
        names = ["/".join(path[-depth:]) for path in paths]
        if len(set(names)) == len({tuple(path) for path in paths}):
            break
    else:
        names = []
    return names


def groups(runs: Sequence[Run], by: str) -> dict[str, list[Run]]:
    """Runs put together, by label, in the order in which the first of each group comes.

    by : a key of the recipe ("learning_rate", "model.options.channels"; "head", "architecture" and "loss" will do), or
        "attention": with and without an attention block;
        "seed": runs that differ in nothing but the seed (of one without a recipe that is not known: it stays alone);
        "name": runs whose names differ only in a number at their end
    Raises UnknownNameError for a key that no run has.
    """
    known = sorted({*SPECIAL, *SHORT, *(key for run in runs for key in settings_of(run))})
    if by not in known:
        raise unknown("key", by, known, "groups of runs")
    labels = _labels_over_seeds(runs) if by == "seed" else [_label(run, by) for run in runs]
    found: dict[str, list[Run]] = {}
    for run, label in zip(runs, labels, strict=True):
        found.setdefault(label, []).append(run)
    return found


def aligned(series: Mapping[str, pd.Series]) -> pd.DataFrame:
    """Series of several runs side by side: iteration x run, every iteration that any of them recorded.

    NaN where a run recorded nothing at an iteration: nothing is interpolated. Of several values of a run at one
    iteration (a resume may evaluate again) the last counts.

    >>> aligned({"a": pd.Series([1.0, 2.0], [0, 50]), "b": pd.Series([3.0], [50])}).to_numpy().tolist()
    [[1.0, nan], [2.0, 3.0]]
    """
    if not series:
        return pd.DataFrame(index=pd.Index([], name="iteration"))
    once = {name: values.loc[~values.index.duplicated(keep="last")] for name, values in series.items()}
    table = pd.concat(once, axis=1).sort_index()
    return table.rename_axis(index="iteration", columns=None)


def last_common(indices: Sequence[pd.Index]) -> int | None:
    """The last iteration that stands in all of them; None where there is none.

    >>> last_common([pd.Index([0, 50, 100]), pd.Index([0, 50])])
    50
    """
    common = indices[0]
    for index in indices[1:]:
        common = common.intersection(index)
    return int(common.to_numpy().max()) if len(common) else None


def in_words(value: Any) -> str:
    """A recipe's value as `--set` takes it; a dash where a key is not set.

    >>> in_words(None), in_words(True), in_words(0.001), in_words([1, 2])
    ('–', 'true', '0.001', '[1, 2]')
    """
    if value is None:
        return "–"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _dotted(values: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _dotted(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", value


def _equal(one: Any, other: Any) -> bool:
    """Equal as settings: 1 and 1.0 are, 1 and true are not."""
    return isinstance(one, bool) == isinstance(other, bool) and one == other


def _label(run: Run, by: str) -> str:
    if by == "attention":
        return _attention(run)
    if by == "name":
        return re.sub(r"[-_. ]*\d+$", "", run.name) or run.name
    key = SHORT.get(by, by)
    settings = settings_of(run)
    if key not in settings:
        return UNSAID if by in (*SHORT, "loss") else f"{by} {UNSAID}"
    return in_words(settings[key]) if by in (*SHORT, "loss") else f"{by} {in_words(settings[key])}"


def _attention(run: Run) -> str:
    parts = set(run.parts.values())
    return UNSAID if not parts else "with attention" if "attention" in parts else "without attention"


def _labels_over_seeds(runs: Sequence[Run]) -> list[str]:
    """Each run's group: a name its runs share, else the first one's."""
    kinds = [_but_seed(run) for run in runs]
    first = {kind: run for kind, run in reversed(list(zip(kinds, runs, strict=True)))}
    names = dict(zip(first, names_of(list(first.values())), strict=True))
    sizes = {kind: kinds.count(kind) for kind in first}
    stems = {kind: _label(first[kind], "name") if sizes[kind] > 1 else names[kind] for kind in first}
    alike = len(set(stems.values())) < len(stems)
    return [(names if alike else stems)[kind] for kind in kinds]


def _but_seed(run: Run) -> str:
    if not run.recipe:
        return str(run.path)
    return repr(sorted((key, in_words(value)) for key, value in settings_of(run).items() if key != "seed"))
