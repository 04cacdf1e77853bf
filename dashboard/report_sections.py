"""A report's sections: the runs side by side, and each run with its verdict, figures and recipe."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..runs.revive.revived import Revived, stored_revival
from ..runs.revive.telling import SICK
from ..runs.run import Run
from ..runs.standing import Comparison
from ..runs.summary import store_summary, stored_summary, summarise
from . import report_figures
from .markup import Markup, element, together
from .report_attribution import attributions_of
from .report_attribution import words_of as words_of_onsets
from .report_clips import Clip, clips_of, player
from .report_comparison import differences, standings
from .report_figures import CLASS, CLASSES, VITAL, VITALS, Figure
from .report_page import card, cards
from .report_pieces import Piece
from .report_trials import words_of_trials
from .report_words import findings, not_judged, recipe, verdict

PARTS = (
    ("findings", "Findings"),
    ("tried", "What was tried"),
    ("vitals", "Vital signs"),
    ("classes", "Classes"),
    ("localisation", "Localisation"),
    ("attribution", "Attribution"),
)
"""Ids and headings of the parts of a run's section; trials of a run that is not well, or of which there are some;
attributions where some are kept."""


@dataclass(frozen=True)
class Section:
    """What a report holds of one run.

    prefix : of its ids, which two runs of one name do not share
    """

    prefix: str
    name: str
    run: Run
    summary: Mapping[str, Any]
    timeline: Figure
    evidence: tuple[Figure, ...]
    revived: Revived | None
    tried: Figure
    vitals: tuple[Figure, ...]
    classes: tuple[Figure, ...]
    clips: tuple[Clip, ...]
    attributions: tuple[Figure, ...]
    onsets: Markup | None


def section(run: Run, name: str, prefix: str) -> Section:
    """A run judged, and its figures drawn."""
    summary = _summary(run)
    return Section(
        prefix,
        name,
        run,
        summary,
        report_figures.timeline(run, summary, prefix),
        tuple(report_figures.evidence(run, summary, prefix)),
        stored_revival(run.path),
        report_figures.tried(run, prefix),
        tuple(report_figures.of_run(run, summary, prefix, VITALS, VITAL)),
        tuple(report_figures.of_run(run, summary, prefix, CLASSES, CLASS)),
        tuple(clips_of(run, prefix)),
        attributions_of(run, prefix),
        words_of_onsets(run),
    )


def pieces_of(one: Section) -> Iterator[Piece]:
    """Everything heavy of a run's section."""
    yield from pieces_in((one.timeline, *one.evidence, one.tried, *one.vitals, *one.classes))
    yield from pieces_in(one.attributions)
    for clip in one.clips:
        yield from pieces_in(clip.figures)
        if clip.sound is not None:
            yield clip.sound


def pieces_in(figures: Sequence[Figure]) -> Iterator[Piece]:
    """The packed figures, of those that show something."""
    return (figure.piece for figure in figures if figure.piece is not None)


def _summary(run: Run) -> dict[str, Any]:
    """The verdict that is kept beside the run, else a new one, then kept there as `flatline diagnose` does."""
    kept = stored_summary(run.path)
    if kept is not None:
        return kept
    summary = summarise(run)
    if summary["status"] != "running":
        store_summary(run.path, summary)
    return summary


def entries(sections: Sequence[Section]) -> Iterator[tuple[str, Markup]]:
    """What the contents list: of several runs each with its verdict, of one its parts; ids and words."""
    if len(sections) > 1:
        yield "comparison", element("b", "The runs side by side")
        for one in sections:
            said = element("span", one.summary["diagnosis"]["verdict"], class_="word")
            yield one.prefix + "top", together([one.name, " · ", element("span", said, class_=_tone(one))])
        return
    for place, heading in (*parts_of(sections[0]), ("recipe", "Recipe and versions")):
        yield sections[0].prefix + place, together([heading])


def parts_of(one: Section) -> list[tuple[str, str]]:
    """Ids and headings of the parts that a run's section has."""
    is_well = one.summary["diagnosis"]["verdict"] not in SICK
    left_out = {
        "tried": one.revived is None and is_well,
        "attribution": not one.attributions and one.onsets is None,
    }
    return [part for part in PARTS if not left_out.get(part[0])]


def compared_section(
    sections: Sequence[Section], compared: Comparison, drawn: Sequence[Figure], kept: Mapping[str, Piece]
) -> Markup:
    """The runs side by side: where each stands, what their recipes differ in, figures on shared scales."""
    return element(
        "section",
        element("h2", "The runs side by side"),
        standings(compared, [f"{one.prefix}top" for one in sections]),
        differences(compared),
        cards("The same figures on shared scales", "compared-figures", [card(figure, kept) for figure in drawn]),
        id="comparison",
    )


def run_section(one: Section, kept: Mapping[str, Piece], played: set[str], *, is_alone: bool) -> Markup:
    """A run: its verdict, what was found, its figures, what it was made of.

    played   : keys of the sounds that stand in the page already
    is_alone : its name is the page's title
    """
    draw = {"vitals": one.vitals, "classes": one.classes}
    found, unjudged = findings(one.summary), not_judged(one.summary)
    listed = element("div", found, unjudged, class_="card wide pad") if found or unjudged else None
    evidence = [card(figure, kept) for figure in (one.timeline, *one.evidence)]
    clips = [part for clip in one.clips for part in _clip(clip, kept, played)]
    parts = {
        "findings": [evidence[0], listed, *evidence[1:]],
        "tried": [words_of_trials(one.run, one.revived), None if one.revived is None else card(one.tried, kept)],
        **{place: [card(figure, kept) for figure in figures] for place, figures in draw.items()},
        "localisation": clips,
        "attribution": [*(card(figure, kept) for figure in one.attributions), one.onsets],
    }
    drawn = [cards(heading, one.prefix + place, parts[place]) for place, heading in parts_of(one)]
    heading = None if is_alone else element("h2", one.name)
    made_of = element("div", element("h3", "What it was made of"), recipe(one.run), id=f"{one.prefix}recipe")
    return element("section", heading, verdict(one.run, one.summary), *drawn, made_of, id=f"{one.prefix}top")


def _clip(clip: Clip, kept: Mapping[str, Piece], played: set[str]) -> list[Markup]:
    return [player(clip, kept, played), *(card(figure, kept) for figure in clip.figures)]


def _tone(one: Section) -> str:
    return one.summary["diagnosis"]["verdict"]
