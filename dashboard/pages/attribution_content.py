"""What the page of attributions says: the verdict on one, its checks, the methods beside it, what the run keeps."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import dash_mantine_components as dmc
from dash import html

from ...diagnostics.attribution.agreement import agreement
from ...diagnostics.attribution.names import method_named
from ...diagnostics.errors import FlatlineError
from ...runs.attribution_store import Stored
from ...runs.localisation_store import ALL, Localised, Score, stored_localisation
from ...runs.run import Run
from ..addresses import run_address
from ..attributing_kept import kept_attributions
from ..chosen import Chosen
from .attribution_choice import Side
from .run_bar import link

MOST = 200
"""Attributions that are listed, the first by clip and class."""

NOTHING = "This attribution carries no information"

UNKNOWN = "–"


def verdict(side: Side, *, is_alone: bool) -> Any:
    """What is to be thought of a column's attribution, the worst first."""
    heading = [] if is_alone else [dmc.Text(side.label, fw=600)]
    if side.chosen is None:
        return html.Div([*heading, dmc.Alert(side.wrong, color="red")])
    stored = side.chosen.stored
    if stored is None:
        return html.Div([*heading, dmc.Text(_absent(side.chosen), c="dimmed", size="sm")])
    said = dmc.Text(f"It says something: {stored.why}.", fw=600, c="var(--flatline-good)")
    if not stored.informative:
        more = " The picture below is drawn pale: it shows the clip and the network's noise, not what it heard."
        why = stored.why.removeprefix(f"{NOTHING[0].lower()}{NOTHING[1:]}: ")
        said = dmc.Alert(f"{_sentence(why)}{more}", title=NOTHING, color="red", className="verdict")
    return html.Div([*heading, dmc.Stack([said, facts(stored)], gap=8)], className="attribution-verdict")


def facts(stored: Stored) -> html.Div:
    """The numbers of an attribution, each with what it is held against."""
    noun = {"logits": "logit", "probabilities": "probability"}[stored.of]
    shown = [
        (
            f"Its {noun}",
            _number(stored.output),
            f"with the baseline ({stored.options.get('baseline')}) {_number(stored.baseline_output)}",
        ),
        ("Adds up", *_sum(stored)),
        ("Taken away", *_area(stored, "deletion", lower=True)),
        ("Brought back", *_area(stored, "insertion", lower=False)),
        ("Random weights", _check(stored, "randomised_weights"), "rank correlation; near 0 is good"),
        ("Another class", _check(stored, "other_class"), _other(stored)),
    ]
    return html.Div([_fact(*fact) for fact in shown], className="facts")


def methods(sides: Sequence[Side]) -> Any:
    """The kept methods of one clip and class side by side, for each column."""
    parts = [part for side in sides if side.chosen is not None for part in _methods(side, len(sides) == 1)]
    return html.Div(parts, className="card pad") if parts else None


def scores(run: Run) -> Any:
    """How well maps and attributions fit true onsets, or how to find out."""
    found = stored_localisation(run.path)
    title = dmc.Title("Against true onsets", order=4)
    if found is None:
        words = dmc.Text("How well the maps and attributions of this run fit true onsets was not computed:", size="sm")
        return html.Div([title, words, dmc.Code(f"flatline localise {run.name}", block=True)], className="card pad")
    head = ("By", "Pointing game", "by chance", "Frame F1", "Event F1", "PSDS", "Pairs", "say something")
    rows = [_score(one) for way in found.ways if (one := found.score(way, ALL)) is not None]
    by_class = _by_class(found)
    notes = [dmc.Text(text, size="sm", c="dimmed") for text in (_of(found), *found.notes)]
    return html.Div([title, _table(head, rows, id="localisation-scores"), *by_class, *notes], className="card pad")


def kept(run: Run) -> Any:
    """Every attribution that a run keeps, each a way to its picture; or how to make the first."""
    stored = kept_attributions(run.path)
    if not stored:
        clip = next(iter(run.info.get("clips") or []), "CLIP")
        words = "This run keeps no attribution. Compute one above, or several by the command:"
        command = dmc.Code(f"flatline attribute {run.name} {clip} --class true", block=True)
        return html.Div([dmc.Text(words, size="sm"), command], className="card pad")
    head = ("Clip", "Class", "Method", "Iteration", "Output", "Baseline's", "Says something", "Why, or why not")
    rest = len(stored) - MOST
    more = [dmc.Text(f"and {rest:,} more under attributions/", size="sm", c="dimmed")] if rest > 0 else []
    title = dmc.Title("Attributions that this run keeps", order=4)
    place = "/".join(stored[0].file.parts[-3:-1])
    where = dmc.Text(f"Arrays (frame, mel) and checks lie in {place}.", size="sm", c="dimmed")
    table = _table(head, [_row(run, one) for one in stored[:MOST]], id="attributions")
    return html.Div([title, where, html.Div(table, className="long-list"), *more], className="card pad")


def _methods(side: Side, is_alone: bool) -> list[Any]:
    chosen = side.chosen
    if chosen is None or not chosen.beside:
        return []
    label = "" if is_alone else f" · {side.label}"
    title = dmc.Title(f"Methods on {chosen.class_name} of {chosen.clip}{label}", order=4)
    agreeing = agreements(chosen)
    head = ("Method", "Says something", "Taken away (random)", "Brought back (random)", "Random weights", "Ranks alike")
    rows = [_method(chosen, one, agreeing.get(one.method, math.nan)) for one in chosen.beside]
    return [title, _table(head, rows, id=None, width=520)]


def agreements(chosen: Chosen) -> dict[str, float]:
    """Rank correlation of the method that is shown with every other that is kept, by name."""
    if chosen.stored is None or len(chosen.beside) < 2:
        return {}
    try:
        own = chosen.stored.arrays()["attribution"]
        others = {one.method: one.arrays()["attribution"] for one in chosen.beside if one.method != chosen.method}
    except (FlatlineError, KeyError):
        return {}
    grain = method_named(chosen.method).grain
    return {name: agreement(own, values, (grain, method_named(name).grain)) for name, values in others.items()}


def _method(chosen: Chosen, one: Stored, agrees: float) -> list[Any]:
    name = html.B(one.method) if one.method == chosen.method else link(one.method, _address(chosen.run, one))
    areas = [_pair(one, way) for way in ("deletion", "insertion")]
    ranks = "itself" if one.method == chosen.method else _number(agrees)
    return [name, _says(one), *areas, _check(one, "randomised_weights"), ranks]


def _row(run: Run, one: Stored) -> list[Any]:
    clip = link(Path(one.clip).name, _address(run, one), title=one.clip)
    numbers = [f"{one.iteration:,}", _number(one.output), _number(one.baseline_output)]
    return [clip, one.class_name, _named(one), *numbers, _says(one), one.why]


def _named(one: Stored) -> str:
    """The method, with what of its options is not a page's own."""
    options = one.options
    more = [
        f"of {options['of']}" if options.get("of") else "",
        f"{options['noise']} noisy copies" if options.get("noise") else "",
        f"from {options.get('baseline')}" if options.get("baseline") != "silence" else "",
    ]
    return ", ".join([one.method, *filter(None, more)])


def _address(run: Run, one: Stored) -> str:
    """The page that shows an attribution."""
    words = {"iteration": str(one.iteration), "clip": one.clip, "class": one.class_name, "method": one.method}
    baseline = str(one.options.get("baseline"))
    return run_address(run.name, "attribution", words | ({} if baseline == "silence" else {"baseline": baseline}))


def _score(one: Score) -> list[str]:
    numbers = [_share(value) for value in (one.pointing_game, one.chance, one.frame_f1, one.event_f1, one.psds)]
    return [one.by, *numbers, f"{one.pairs:,}", UNKNOWN if one.informative is None else f"{one.informative:,}"]


def _by_class(found: Localised) -> list[Any]:
    """The pointing game by class, classes down and ways across, beside chance and of how many pairs."""
    if not found.classes:
        return []
    rows = [_class_row(found, name) for name in found.classes]
    table = _table(("Pointing game by class", *found.ways, "by chance", "Pairs"), rows, id=None)
    return [html.Details([html.Summary("by class"), table])]


def _class_row(found: Localised, name: str) -> list[str]:
    """Chance and pairs are those of the first way that has the class: all are scored on the same pairs."""
    scores = [found.score(way, name) for way in found.ways]
    first = next((one for one in scores if one is not None), None)
    games = [UNKNOWN if one is None else _share(one.pointing_game) for one in scores]
    return [name, *games, *([UNKNOWN, UNKNOWN] if first is None else [_share(first.chance), f"{first.pairs:,}"])]


def _of(found: Localised) -> str:
    of = (
        f"{found.clips:,} of {found.clips_there:,} clips with true events, of {found.data}, weights of iteration "
        f"{found.iteration:,}."
    )
    shares = [f"{way} {' and '.join(f'{one:.3g}' for one in halves)}" for way, halves in found.thresholds.items()]
    return f"{of} A frame counts from this share of its clip's peak: {', '.join(shares)}." if shares else of


def _table(
    head: Sequence[str], rows: Sequence[Sequence[Any]], *, id: str | None, width: int = 760
) -> dmc.TableScrollContainer:
    top = dmc.TableThead(dmc.TableTr([dmc.TableTh(name) for name in head]))
    body = dmc.TableTbody([dmc.TableTr([dmc.TableTd(cell) for cell in row]) for row in rows])
    named: dict[str, Any] = {} if id is None else {"id": id}
    table = dmc.Table([top, body], verticalSpacing=4, className="numbers", fz="sm", **named)
    return dmc.TableScrollContainer(table, minWidth=width)


def _absent(chosen: Chosen) -> str:
    of = chosen.class_name or "the clip's class"
    return f"Not computed yet: {chosen.method} of {of} for clip {chosen.clip or UNKNOWN}."


def _sum(stored: Stored) -> tuple[str, str]:
    steps = "" if stored.steps is None else f", {stored.steps:,} steps"
    off = f"off by {stored.delta:+.1e}"
    if stored.converged is None:
        return "not meant to", f"{off}{steps}"
    return ("yes" if stored.converged else "no"), f"{off}{steps}"


def _area(stored: Stored, way: str, *, lower: bool) -> tuple[str, str]:
    area = _float(stored, f"{way}_area")
    random = _float(stored, f"{way}_area_random")
    meaning = "lower" if lower else "higher"
    if math.isnan(area) or math.isnan(random):
        return UNKNOWN, "not computed"
    beats = area < random if lower else area > random
    return _number(area), f"random {_number(random)}: {'better' if beats else 'no better'} ({meaning} is)"


def _other(stored: Stored) -> str:
    name = stored.checks.get("other_class_name")
    return "there is none" if name is None else f"({name}) rank correlation; near 1 says nothing of this class"


def _fact(name: str, value: str, more: str) -> html.Div:
    return html.Div(
        [html.Span(name, className="dimmed"), html.B(value, className="numbers"), html.Span(more, className="dimmed")]
    )


def _pair(one: Stored, way: str) -> str:
    return f"{_check(one, f'{way}_area')} ({_check(one, f'{way}_area_random')})"


def _says(one: Stored) -> Any:
    colour = "var(--flatline-good)" if one.informative else "var(--flatline-bad)"
    return dmc.Text("yes" if one.informative else "no", fw=600, c=colour, size="sm")


def _check(one: Stored, name: str) -> str:
    return _number(_float(one, name))


def _float(one: Stored, name: str) -> float:
    value = one.checks.get(name)
    return math.nan if value is None else float(value)


def _number(value: float) -> str:
    return UNKNOWN if math.isnan(value) else f"{value:.3g}"


def _share(value: float) -> str:
    """Of 1, to as many places in each row."""
    return UNKNOWN if math.isnan(value) else f"{value:.3f}"


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."
