"""The attributions of a report: few pictures of what the net heard, and how maps and attributions fit true onsets."""

from functools import partial

import plotly.graph_objects as go

from ..diagnostics.attribution.names import DEFAULT_METHOD
from ..runs.attribution_store import Stored, all_stored
from ..runs.localisation_store import ALL, stored_localisation
from ..runs.run import Run
from .chosen import is_plain
from .figures.attribution_map import attribution_map
from .markup import Markup, element
from .report_figures import MORE_CLIPS, Figure, drawn
from .report_words import table

MOST = 3
"""Attributions of a run in a report; the others are in the dashboard."""

HEADS = ("By", "Pointing game", "By chance", "Frame F1", "Event F1")


def attributions_of(run: Run, prefix: str) -> tuple[Figure, ...]:
    """Pictures of the first attributions that a run keeps, one a clip and class.

    prefix : of the run's ids
    """
    return tuple(
        drawn(prefix, "attribution-map", MORE_CLIPS, partial(_draw, run, one), number=place)
        for place, one in enumerate(shown(all_stored(run.path)), start=1)
    )


def shown(stored: list[Stored], most: int = MOST) -> list[Stored]:
    """One a clip and class: integrated gradients where they are kept, of the newest weights; other clips first."""
    plain = [one for one in stored if is_plain(one, str(one.options.get("baseline")))]
    plain.sort(key=lambda one: (one.method != DEFAULT_METHOD, -one.iteration))
    of_class = {(one.clip, one.class_name): one for one in reversed(plain)}
    rank: dict[str, int] = {}
    ordered = []
    for (clip, _), one in sorted(of_class.items()):
        rank[clip] = rank.get(clip, 0) + 1
        ordered.append((rank[clip], one))
    return [one for _, one in sorted(ordered, key=lambda pair: pair[0])][:most]


def words_of(run: Run) -> Markup | None:
    """How well maps and attributions fit true onsets; None where that was not computed."""
    found = stored_localisation(run.path)
    if found is None:
        return None
    overall = [one for way in found.ways if (one := found.score(way, ALL)) is not None]
    rows = [
        [one.by, *(_number(value) for value in (one.pointing_game, one.chance, one.frame_f1, one.event_f1))]
        for one in overall
    ]
    of = f"{found.clips:,} of {found.clips_there:,} clips with true events, weights of iteration {found.iteration:,}."
    return element(
        "div",
        element("h4", "Against true onsets"),
        table(HEADS, rows),
        *(element("p", text, class_="dimmed") for text in (of, *found.notes)),
        class_="card wide pad",
    )


def _draw(run: Run, one: Stored, theme: str) -> go.Figure:
    return attribution_map(
        run,
        theme,
        iteration=one.iteration,
        clip=one.clip,
        class_name=one.class_name,
        method=one.method,
        baseline=str(one.options.get("baseline")),
    )


def _number(value: float) -> str:
    return "–" if value != value else f"{value:.3g}"
