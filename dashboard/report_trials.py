"""What a report says of the trials of a run (`flatline revive`): arms, prescription, what speaks against it."""

from collections.abc import Mapping
from typing import Any

from ..runs.revive import telling
from ..runs.revive.revived import Revived
from ..runs.run import Run
from .markup import Markup, element
from .report_words import table


def words_of_trials(run: Run, revived: Revived | None) -> Markup:
    """The trials in words and as a table; where there were none, how to make some."""
    if revived is None:
        how = telling.command(run.name, has_recipe=bool(run.recipe))
        words = element("p", "Nothing yet. Trials of copies of this run with the changes above: ", element("code", how))
        return element("div", words, class_="card wide pad")
    rows = [telling.cells(arm) for arm in revived.arms]
    stages = [element("li", stage) for stage in telling.stages(revived)]
    return element(
        "div",
        *_prescription(revived),
        table(telling.HEADINGS, rows, [_class_of(revived, arm) for arm in revived.arms]),
        element("h4", "In the order in which it was tried"),
        element("ol", *stages),
        element("p", telling.effort(revived), class_="dimmed"),
        class_="card wide pad",
    )


def _prescription(revived: Revived) -> list[Markup]:
    parts = [element("p", element("b", telling.headline(revived)), class_="prescription")]
    if revived.best == telling.UNCHANGED:
        return parts
    said = [telling.moved(revived), telling.of_seeds(revived)]
    parts += [element("p", words) for words in said if words]
    parts += [element("pre", revived.diff, class_="diff")] if revived.diff else []
    against = [element("li", sentence) for sentence in revived.against]
    parts += [element("h4", "Against it"), element("ul", *against)] if against else []
    return parts


def _class_of(revived: Revived, arm: Mapping[str, Any]) -> str:
    return "prescribed" if arm["intervention"] == revived.best != telling.UNCHANGED else ""
