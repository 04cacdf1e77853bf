"""The figures of a report: those of the dashboard's pages, each drawn once in light and once in dark."""

import inspect
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from html import unescape
from typing import Any

import plotly.graph_objects as go

from ..diagnostics.errors import FlatlineError
from ..runs.run import Run
from . import figures
from .captions import BESIDE, CAPTIONS
from .captions import EVIDENCE as OF_EVIDENCE
from .figures.marks import marks_of
from .figures.theme import HEIGHT, message, theme_named
from .report_pieces import Piece, packed_figure

LOGGER = logging.getLogger(__name__)

VITALS = (
    "gradient-heatmap",
    "gradient-lines",
    "loss",
    "lwlrap",
    "output-health",
    "hidden-gradient-heatmap",
    "update-ratios",
)
"""Graphs of the dashboard's page of vital signs; each is drawn by the function of its name."""

CLASSES = ("class-lwlrap", "class-heatmap", "class-shares")

LOCALISATION = ("localisation-map", "clip-scores", "map-growth")
"""Graphs of one clip."""

ATTRIBUTION = ("attribution-map", "attribution-checks")
"""Graphs of one attribution."""

COMPARISON = ("compare-curves", "compare-heatmaps", "compare-classes")
"""Graphs of several runs together; the maps that the dashboard puts side by side stand in each run's own section."""

WIDE = {
    "findings-timeline",
    "revival",
    "gradient-heatmap",
    *CLASSES,
    "localisation-map",
    "attribution-map",
    *COMPARISON,
}
"""Graphs that take the page's whole width."""

MOST_EVIDENCE = 6
"""Findings whose signals are drawn, the worst first; the others stand in the table."""

COMPARED, TIMELINE, TRIED, VITAL, CLASS, CLIP, EVIDENCE, MORE_CLIPS = range(8)
"""Ranks: what is left out last comes first."""


@dataclass(frozen=True)
class Figure:
    """A figure's place in a report.

    key    : id of its graph, once in a page
    title  : of the figure
    piece  : the packed figure; None where it shows nothing, and `words` say why
    height : pixels
    """

    key: str
    title: str
    caption: str = ""
    words: str = ""
    piece: Piece | None = None
    height: int = HEIGHT
    wide: bool = False


def timeline(run: Run, summary: Mapping[str, Any], prefix: str) -> Figure:
    """When each finding held."""
    draw = partial(figures.findings_timeline, summary)
    return drawn(prefix, "findings-timeline", TIMELINE, lambda theme: draw(theme=theme))


def evidence(run: Run, summary: Mapping[str, Any], prefix: str) -> Iterator[Figure]:
    """The signals of the worst findings, and what each part carries of the score."""
    for place, finding in enumerate(summary["diagnosis"]["findings"][:MOST_EVIDENCE]):
        draw = partial(figures.evidence, run, finding)
        yield drawn(prefix, "evidence", EVIDENCE, _in_theme(draw), number=place + 1)
    yield drawn(prefix, "carried-share", EVIDENCE, _in_theme(partial(figures.carried_share, run)))


def tried(run: Run, prefix: str) -> Figure:
    """What the arms of the run's last trials came to."""
    return drawn(prefix, "revival", TRIED, _in_theme(partial(figures.revival, run)))


def of_run(run: Run, summary: Mapping[str, Any], prefix: str, graphs: Sequence[str], rank: int) -> Iterator[Figure]:
    """Figures of a run by the names of their graphs: the whole run, and its newest evaluation."""
    marks = marks_of(summary["diagnosis"]["findings"])
    for graph in graphs:
        draw = partial(function_of(graph), run)
        given = {"marks": marks} if "marks" in inspect.signature(draw).parameters else {}
        yield drawn(prefix, graph, rank, _in_theme(partial(draw, **given)))


def of_clip(run: Run, clip: str | None, prefix: str, number: int) -> Iterator[Figure]:
    """The maps and scores of a pinned clip where they are newest; None is the mean over the batch, which has no score.

    number : of the clip, from 1
    """
    rank = CLIP if number == 1 else MORE_CLIPS
    for graph in LOCALISATION:
        if clip is not None or graph != "clip-scores":
            yield drawn(prefix, graph, rank, _in_theme(partial(function_of(graph), run, clip=clip)), number=number)


def of_runs(runs: Sequence[Run]) -> Iterator[Figure]:
    """The figures of several runs together."""
    for graph in COMPARISON:
        yield drawn("", graph, COMPARED, _in_theme(partial(function_of(graph), runs)))


def function_of(graph: str) -> Callable[..., go.Figure]:
    """The public figure that a graph shows."""
    return getattr(figures, graph.replace("-", "_"))


def caption_of(graph: str) -> str:
    """The sentence under a graph, the dashboard's own."""
    return {**CAPTIONS, **BESIDE}.get(graph, OF_EVIDENCE)


def drawn(prefix: str, graph: str, rank: int, draw: Callable[[str], go.Figure], *, number: int | None = None) -> Figure:
    """A figure in both themes, or the words that it shows instead; one that cannot be drawn says why.

    prefix : of the run's ids, "" for a figure of several runs
    number : of figures that a run has several of
    """
    light = _safely(draw, "light", graph)
    key = f"{prefix}{graph}{'' if number is None else f'-{number}'}"
    caption, layout = caption_of(graph), light.to_dict()["layout"]
    title = _plain(layout["title"].get("text"))
    if not light.data:
        return Figure(key, title, caption, " ".join(_plain(note["text"]) for note in layout.get("annotations", ())))
    piece = Piece(key, rank, packed_figure(light, _safely(draw, "dark", graph)))
    return Figure(key, title, caption, "", piece, layout.get("height", HEIGHT), graph in WIDE)


def _in_theme(draw: Callable[..., go.Figure]) -> Callable[[str], go.Figure]:
    return lambda theme: draw(theme=theme)


def _safely(draw: Callable[[str], go.Figure], theme: str, graph: str) -> go.Figure:
    """One bad file, or a fault of one figure, must not cost the whole report."""
    try:
        return draw(theme)
    except FlatlineError as error:
        return message(graph, str(error), theme_named(theme))
    except Exception as error:
        LOGGER.error("%s cannot be drawn", graph, exc_info=error)
        return message(graph, f"cannot be drawn: {error or type(error).__name__}", theme_named(theme))


def _plain(text: str | None) -> str:
    """A figure's text without its marks: Plotly's texts hold a few tags and entities."""
    words = (text or "").replace("<br>", " ")
    for tag in ("b", "i", "u"):
        words = words.replace(f"<{tag}>", "").replace(f"</{tag}>", "")
    return unescape(words)
