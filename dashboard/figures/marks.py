"""Marks of findings on an axis of iterations: where what went wrong began."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import Any

import numpy as np
import plotly.graph_objects as go

from ...diagnostics.findings import SEVERITIES, Severity
from .theme import HEIGHT, Theme

MOST = 4
"""Marks in a figure; of more the worst and earliest are drawn, since names would crowd out the data."""

ROW_PX = 13
"""Height of a row of names above the plotting area."""

LETTER_PX = 5.8
"""Width of a letter of a name, about, in the fonts of the figures at 10 pixels; a little more than measured."""

NARROWEST_PX = 430
"""Width of a plotting area up to which names never meet: half a page of 1,280 pixels. In a wider one they lie apart."""

LEFT_OF_LINE = "right"
RIGHT_OF_LINE = "left"


@dataclass(frozen=True)
class Mark:
    """The onset of a finding."""

    iteration: int
    kind: str
    severity: Severity


@dataclass(frozen=True)
class Place:
    """Where a mark's name stands: in which row above the plotting area, and with which side at the mark's line."""

    row: int
    anchor: str


def marks_of(findings: Sequence[Any]) -> tuple[Mark, ...]:
    """The onsets of the findings that are worth a mark (critical ones and warnings), worst first.

    findings : of a `flatline.diagnose(run)`, or dictionaries of its JSON
    """
    found = [_mark(finding) for finding in findings]
    worth = {mark for mark in found if mark.severity != "info"}
    return tuple(sorted(worth, key=lambda mark: (SEVERITIES.index(mark.severity), mark.iteration, mark.kind)))


def add_marks(
    figure: go.Figure,
    marks: Sequence[Mark],
    theme: Theme,
    *,
    span: tuple[float, float] | None = None,
    above_px: int = 0,
) -> go.Figure:
    """Draw the marks as lines through every panel, each with its name above, for which the plotting area gives way.

    Marks outside of what is drawn are left out; a figure without traces stays as it is. Call it when they are in.

    span     : first and last iteration of the axis; None is that of the traces
    above_px : room directly above the plotting area that is taken, by a panel's title
    """
    if not figure.data:  # it says in words why it shows nothing
        return figure
    first, last = span or span_of_traces(figure)
    seen = [mark for mark in marks if first <= mark.iteration <= last][:MOST]
    if not seen:
        return figure
    places = placed([((mark.iteration - first) / max(last - first, 1), mark.kind) for mark in seen])
    panels = _panels(figure)
    shapes, names = [], []
    for mark, place in zip(seen, places, strict=True):
        colour = theme.alarm if mark.severity == "critical" else theme.warning
        up = above_px + ROW_PX * place.row
        for panel in panels:
            shapes += [
                _line(mark, f"y{panel} domain", theme.paper, under=True),
                _line(mark, f"y{panel} domain", colour),
            ]
        shapes.append(_pole(mark, above_px, up + ROW_PX, colour))
        names.append(_name(mark, place, up, colour))
    layout: Any = figure.layout
    figure.update_layout(shapes=[*layout.shapes, *shapes], annotations=[*layout.annotations, *names])
    return _make_room(figure, ROW_PX * (1 + max(place.row for place in places)) + 2)


def _panels(figure: go.Figure) -> list[str]:
    """Numbers of the y axes, as in `y2`; that of the first is empty."""
    axes: list[Any] = list(figure.select_yaxes())
    return [axis.plotly_name.removeprefix("yaxis") for axis in axes] or [""]


def span_of_traces(figure: go.Figure) -> tuple[float, float]:
    """Lowest and highest x of what is drawn, whole cells of a heatmap; NaN where no trace says its own."""
    traces: list[Any] = list(figure.data)
    drawn = [_extent(trace) for trace in traces if trace.x is not None and len(trace.x)]
    return min((low for low, _ in drawn), default=np.nan), max((high for _, high in drawn), default=np.nan)


def _extent(trace: Any) -> tuple[float, float]:
    x = np.asarray(trace.x, dtype=np.float64)
    half = float(x[1] - x[0]) / 2 if trace.type == "heatmap" and len(x) > 1 else 0.0
    return float(np.nanmin(x)) - half, float(np.nanmax(x)) + half


def placed(names: Sequence[tuple[float, str]], width_px: float = NARROWEST_PX) -> list[Place]:
    """Rows and sides for names, so that none leaves the plotting area or meets another, in as few rows as it takes.

    Of all orders in which rows can be given out, one in which the fewest names are crossed by another's line.

    names : at most MOST, each with its place along the axis, 0 to 1
    """
    lines = [share * width_px for share, _ in names]
    sizes = [LETTER_PX * len(text) + 4 for _, text in names]
    spans = [(x, x + size) if x + size <= width_px else (x - size, x) for x, size in zip(lines, sizes, strict=True)]
    given = [_rows(order, spans) for order in permutations(range(len(names)))]
    rows = min(given, key=lambda rows: (_crossed(rows, lines, spans), max(rows)))
    return [
        Place(row, RIGHT_OF_LINE if span[0] == x else LEFT_OF_LINE)
        for row, span, x in zip(rows, spans, lines, strict=True)
    ]


def _rows(order: Sequence[int], spans: Sequence[tuple[float, float]]) -> list[int]:
    """Each name the lowest row in which it meets none of those before."""
    rows: dict[int, int] = {}
    for index in order:
        start, end = spans[index]
        taken = {row for other, row in rows.items() if start < spans[other][1] and spans[other][0] < end}
        rows[index] = next(row for row in range(len(spans)) if row not in taken)
    return [rows[index] for index in range(len(spans))]


def _crossed(rows: Sequence[int], lines: Sequence[float], spans: Sequence[tuple[float, float]]) -> int:
    """Names that the lines of higher ones run through."""
    return sum(
        row < other and start < x < end
        for row, (start, end) in zip(rows, spans, strict=True)
        for other, x in zip(rows, lines, strict=True)
    )


def _line(mark: Mark, axis: str, colour: str, *, under: bool = False) -> dict[str, Any]:
    """Through one panel; under the dots lies a line of the paper's colour, or they would drown in a heatmap."""
    style = {"color": colour, "width": 2.6 if under else 1.4, "dash": "solid" if under else "dot"}
    at = {"x0": mark.iteration, "x1": mark.iteration, "xref": "x", "y0": 0, "y1": 1, "yref": axis}
    name = f"under {mark.kind}" if under else f"onset {mark.kind}"
    return {"type": "line", **at, "line": style, "opacity": 0.55 if under else 1, "name": name}


def _pole(mark: Mark, from_px: int, to_px: int, colour: str) -> dict[str, Any]:
    """From the plotting area, or what is written over it, up to the name."""
    at = {"x0": mark.iteration, "x1": mark.iteration, "xref": "x", "y0": from_px, "y1": to_px, "yref": "paper"}
    style = {"color": colour, "width": 1.4}
    return {"type": "line", **at, "ysizemode": "pixel", "yanchor": 1, "line": style, "name": f"pole {mark.kind}"}


def _name(mark: Mark, place: Place, up_px: int, colour: str) -> dict[str, Any]:
    return {
        "text": mark.kind,
        "name": f"onset {mark.kind}",
        "x": mark.iteration,
        "xref": "x",
        "xanchor": place.anchor,
        "xshift": 2 if place.anchor == RIGHT_OF_LINE else -2,
        "y": 1,
        "yref": "paper",
        "yanchor": "bottom",
        "yshift": up_px - 2,
        "font": {"size": 10, "color": colour},
        "borderpad": 0,
        "showarrow": False,
        "hovertext": f"{mark.severity}: {mark.kind} since iteration {mark.iteration:,}",
    }


def _make_room(figure: go.Figure, room_px: int) -> go.Figure:
    """A taller margin above the plotting area, the legend over the names."""
    layout: Any = figure.layout
    margin = {**layout.template.layout.margin.to_plotly_json(), **layout.margin.to_plotly_json()}
    top = margin["t"] + room_px
    plot_px = (layout.height or HEIGHT) - top - margin["b"]
    return figure.update_layout(margin_t=top, legend_y=1 + room_px / max(plot_px, 1))


def _mark(finding: Any) -> Mark:
    if isinstance(finding, dict):
        return Mark(int(finding["onset"]), finding["kind"], finding["severity"])
    return Mark(int(finding.onset), finding.kind, finding.severity)
