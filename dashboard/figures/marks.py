"""Marks of findings on an axis of iterations: where what went wrong began."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go

from ...diagnostics.findings import SEVERITIES, Severity
from .theme import Theme

MOST = 4
"""Marks in a figure; of more the worst and earliest are drawn, since names would cover each other."""


@dataclass(frozen=True)
class Mark:
    """The onset of a finding."""

    iteration: int
    kind: str
    severity: Severity


def marks_of(findings: Sequence[Any]) -> tuple[Mark, ...]:
    """The onsets of the findings that are worth a mark (critical ones and warnings), worst first.

    findings : of a `flatline.diagnose(run)`, or dictionaries of its JSON
    """
    found = [_mark(finding) for finding in findings]
    worth = {mark for mark in found if mark.severity != "info"}
    return tuple(sorted(worth, key=lambda mark: (SEVERITIES.index(mark.severity), mark.iteration, mark.kind)))


def add_marks(figure: go.Figure, marks: Sequence[Mark], theme: Theme) -> go.Figure:
    """Draw the marks as vertical lines over the whole height, named at the top of the figure's plotting area."""
    for mark in marks[:MOST]:
        colour = theme.alarm if mark.severity == "critical" else theme.warning
        figure.add_shape(
            type="line",
            x0=mark.iteration,
            x1=mark.iteration,
            xref="x",
            y0=0,
            y1=1,
            yref="paper",
            line={"color": colour, "width": 1.2, "dash": "dot"},
            name=f"onset {mark.kind}",
        )
    for place, mark in enumerate(sorted(marks[:MOST], key=lambda mark: mark.iteration)):
        colour = theme.alarm if mark.severity == "critical" else theme.warning
        figure.add_annotation(
            text=mark.kind,
            name=f"onset {mark.kind}",
            x=mark.iteration,
            xref="x",
            xanchor="left",
            y=1,
            yref="paper",
            yanchor="top",
            yshift=-13 * place,
            font={"size": 10, "color": colour},
            bgcolor=theme.paper,
            opacity=0.85,
            hovertext=f"{mark.severity}: {mark.kind} since iteration {mark.iteration:,}",
        )
    return figure


def _mark(finding: Any) -> Mark:
    if isinstance(finding, dict):
        return Mark(int(finding["onset"]), finding["kind"], finding["severity"])
    return Mark(int(finding.onset), finding.kind, finding.severity)
