"""What a report says of a run in words: the verdict, what was found, what could not be judged, what it was."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..runs.comparing import in_words, settings_of
from ..runs.damage import damage
from ..runs.run import Run
from .markup import Markup, element, together
from .newest import newest, newest_score
from .tables import column

LEVELS = {"chance": "chance", "constant": "constant level"}
"""What the score is held against; of the clips and their labels, so the last known ones hold."""


LONG = 24
"""Characters of a recipe's value up to which it stands beside others."""


def verdict(run: Run, summary: Mapping[str, Any]) -> Markup:
    """What became of the run, large: verdict and cause, what stopped first, since when, what to do."""
    diagnosis, cause = summary["diagnosis"], summary["cause"]
    lines = [*_cause(diagnosis, cause, summary["order"])] if cause else list(map(_line, summary["sentences"]))
    said = element("p", element("span", diagnosis["verdict"], class_="word"), class_="verdict-line")
    return element(
        "div", said, *lines, _facts(run, summary), *map(_alert, _trouble(run)), class_=f"verdict {diagnosis['verdict']}"
    )


def _cause(diagnosis: Mapping[str, Any], cause: Mapping[str, Any], order: str) -> Iterator[Markup]:
    finding = diagnosis["findings"][0]
    yield element("p", element("b", finding["kind"]), f": {cause['means']}", class_="cause")
    yield _said("Since", f"iteration {finding['onset']:,} of {diagnosis['iterations']:,}")
    yield _said("What to do", cause["do"])
    if finding["remedies"]:
        yield _said("Interventions to try, in this order", ", ".join(finding["remedies"]))
    if order:
        yield _said("What stopped first", order)
    yield _said("Why", finding["explanation"])
    if cause["pro"]:
        yield _said("For it", "; ".join(cause["pro"]))
    yield _said("Against it", "; ".join(cause["contra"]) or "nothing that was recorded")
    for name, words in (("explains", "It explains"), ("beside", "Beside it")):
        if cause[name]:
            yield _said(words, ", ".join(cause[name]))


def _facts(run: Run, summary: Mapping[str, Any]) -> Markup:
    """Score against chance, how far it came."""
    evaluations, planned = run.evaluations, run.info.get("iterations_planned")
    score = newest_score(evaluations)
    shown = [("lwlrap", _score(score.value) if score.since is None else f"NaN since iteration {score.since:,}")]
    shown += [(label, _score(newest(column(evaluations, name).dropna()).value)) for name, label in LEVELS.items()]
    shown += [("iterations", f"{summary['iterations']:,}{f' of {planned:,}' if planned else ''}")]
    shown += [("state", run.status)]
    tiles = [element("div", element("dt", label), element("dd", value)) for label, value in shown]
    return element("dl", *tiles, class_="facts")


def _score(value: float) -> str:
    return f"{value:.3f}" if value == value else "not recorded"


def _trouble(run: Run) -> list[str]:
    """That a run did not end as planned, and what of its log is missing."""
    ended = {
        "failed": "This run failed; what it recorded until then is below.",
        "interrupted": "This run was interrupted; what it recorded until then is below.",
        "running": "This run was still training when this page was written.",
    }
    return [*filter(None, [ended.get(run.status)]), *damage(run)]


def findings(summary: Mapping[str, Any]) -> Markup | None:
    """What was found, worst first, as a table; None where nothing was."""
    found = summary["diagnosis"]["findings"]
    if not found:
        return None
    heads = ("finding", "severity", "iterations", "what was measured", "what it means", "what to do")
    rows = [
        (
            together([element("b", one["kind"]), f" in {one['where']}" if one["where"] else None]),
            one["severity"],
            f"{one['onset']:,} to {one['last']:,}{'' if one['is_active'] else ' (over)'}",
            ", ".join(f"{name.replace('_', ' ')} {_number(value)}" for name, value in one["evidence"].items()),
            one["explanation"],
            one["do"],
        )
        for one in found
    ]
    return table(heads, rows, [one["severity"] for one in found])


def not_judged(summary: Mapping[str, Any]) -> Markup | None:
    """What could not be judged and why; None where all could."""
    entries = summary["diagnosis"]["undetermined"]
    if not entries:
        return None
    items = [element("li", element("b", entry["kind"]), f": {entry['why']}") for entry in entries]
    return element("div", element("h4", "Could not be judged"), element("ul", *items))


def recipe(run: Run) -> Markup:
    """What the run was made of: its recipe, what it ran on, versions, folder; folded away."""
    said = {"recipe": run.recipe.get("name"), **{key: run.info.get(key) for key in ("started", "device")}}
    named = [("folder", str(run.path)), *((key, in_words(value)) for key, value in said.items())]
    rows = [*named, *((key, in_words(value)) for key, value in settings_of(run).items())]
    rows += [(f"version of {name}", str(version)) for name, version in (run.info.get("versions") or {}).items()]
    heading = element("summary", "Recipe and versions")
    return element("details", heading, element("dl", *_settings(rows), class_="settings"), class_="card pad", open=True)


def _settings(rows: Sequence[tuple[str, str]]) -> Iterator[Markup]:
    """Beside each other; what is long takes a line."""
    for key, value in rows:
        yield element("div", element("dt", key), element("dd", value), class_="long" if len(value) > LONG else None)


def table(heads: Sequence[str], rows: Sequence[Sequence[str]], classes: Sequence[str] = ()) -> Markup:
    """A table; `classes` are of its rows."""
    names = [*classes, *[""] * len(rows)]
    body = [
        element("tr", *(element("td", cell) for cell in row), class_=name or None)
        for row, name in zip(rows, names, strict=False)
    ]
    head = element("thead", element("tr", *(element("th", head) for head in heads)))
    return element("div", element("table", head, element("tbody", *body)), class_="scroll")


def _said(label: str, text: str) -> Markup:
    return element("p", element("span", f"{label}: ", class_="label"), text)


def _line(text: str) -> Markup:
    return element("p", text)


def _alert(text: str) -> Markup:
    return element("p", text, class_="alert")


def _number(value: Any) -> str:
    """Of JSON, where NaN is null and infinity a word."""
    return "not known" if value is None else value if isinstance(value, str) else f"{value:.3g}"
