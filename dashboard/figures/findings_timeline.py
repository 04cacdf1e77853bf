"""What was found in a run, as bars over its iterations: what began first, what brought about what, what is over."""

from collections.abc import Mapping, Sequence
from textwrap import wrap
from typing import Any

import plotly.graph_objects as go

from .theme import Theme, blank, message, note, theme_named

TITLE = "What was found, and when"

SEVERITY_COLOURS = {
    "light": {"critical": "#d55e00", "warning": "#e69f00", "info": "#56b4e9"},
    "dark": {"critical": "#ff8a3d", "warning": "#f0c040", "info": "#56b4e9"},
}
"""From Okabe and Ito's colour-blind-safe set, brighter on dark; each bar says its severity in words too."""

ROW_PX = 44

ROOM_PX = 150
"""Pixels of title, axis and note."""

MOST = 14
"""Rows of findings; of more those that come first are drawn, and the others counted."""

WHERE = 34
"""Characters of a module's name beside a bar; its end says more than its beginning."""

WHAT = {"gradient": "gradient gone quiet", "states": "states dead"}
"""Words for what of a part stopped, by `Onset.what`."""


def findings_timeline(
    summary: Mapping[str, Any], theme: str = "light", *, marks: Sequence[Any] = (), revision: str | None = None
) -> go.Figure:
    """The findings of a run from onset to last, the cause first, and below them what stopped first.

    summary : of `runs.summary`, or what `flatline diagnose --json` prints, which has no onsets of parts
    marks   : not drawn, since the bars are the marks
    """
    del marks
    diagnosis = summary.get("diagnosis", summary)
    return findings_timeline_figure(
        diagnosis["findings"],
        summary.get("onsets", ()),
        iterations=diagnosis["iterations"],
        cause=diagnosis["cause"],
        theme=theme,
        revision=revision,
    )


def findings_timeline_figure(
    findings: Sequence[Mapping[str, Any]],
    onsets: Sequence[Mapping[str, Any]] = (),
    *,
    iterations: int,
    cause: str | None,
    theme: str = "light",
    revision: str | None = None,
) -> go.Figure:
    """A bar a finding on an axis of iterations, in the colour of its severity; a diamond an onset of a part.

    findings   : as JSON, the cause first where there is one; `where` and `is_active` may be missing
    onsets     : `part`, `what`, `iteration`, `where`
    iterations : recorded in the run
    """
    chosen = theme_named(theme)
    if not findings and not onsets:
        text = "Nothing has been recorded yet." if not iterations else "Nothing was found that is worth a mark."
        return message(TITLE, text, chosen, height=200)
    shown = list(findings[:MOST])
    stopped = list(onsets) if cause is not None else []
    whole = max([iterations, *(finding["last"] + 1 for finding in shown)])  # skipped iterations are not counted
    figure = blank(TITLE, chosen, revision, height=timeline_height(len(shown) + len(stopped)))
    _track(figure, len(shown) + len(stopped), whole, chosen)
    for severity in SEVERITY_COLOURS[chosen.name]:
        _bars(figure, shown, severity, cause, whole, chosen)
    _diamonds(figure, stopped, len(shown), whole, chosen)
    _axes(figure, [*map(_name, shown), *map(_stopped, stopped)])
    return note(figure, f"{len(shown)} of {len(findings)} findings · {iterations:,} iterations")


def timeline_height(rows: int) -> int:
    """Pixels of a time line of so many findings and onsets."""
    return ROOM_PX + ROW_PX * max(1, rows)


def _track(figure: go.Figure, rows: int, iterations: int, theme: Theme) -> None:
    """The whole run behind each row, so that a bar is seen as a part of it."""
    figure.add_trace(
        go.Bar(
            x=[max(iterations, 1)] * rows,
            y=list(range(rows)),
            orientation="h",
            width=0.62,
            marker={"color": theme.grid, "opacity": 0.45},
            hoverinfo="skip",
            showlegend=False,
            name="the whole run",
        )
    )


def _bars(
    figure: go.Figure,
    findings: Sequence[Mapping[str, Any]],
    severity: str,
    cause: str | None,
    iterations: int,
    theme: Theme,
) -> None:
    rows = [row for row, finding in enumerate(findings) if finding["severity"] == severity]
    held = [findings[row] for row in rows]
    if not held:
        return
    labels = [_label(findings[row], is_cause=row == 0 and cause is not None) for row in rows]
    figure.add_trace(
        go.Bar(
            base=[finding["onset"] for finding in held],
            x=[finding["last"] - finding["onset"] + 1 for finding in held],
            y=rows,
            orientation="h",
            width=0.62,
            name=severity,
            marker={
                "color": SEVERITY_COLOURS[theme.name][severity],
                "opacity": [1.0 if finding.get("is_active", True) else 0.55 for finding in held],
            },
            customdata=[[finding["onset"], finding["last"], _wrapped(finding)] for finding in held],
            hovertemplate="iterations %{customdata[0]:,} to %{customdata[1]:,}<br>%{customdata[2]}<extra></extra>",
        )
    )
    for row, finding, label in zip(rows, held, labels, strict=True):
        _say(figure, label, row, finding["onset"], finding["last"], iterations, theme)


def _say(figure: go.Figure, text: str, row: int, first: int, last: int, iterations: int, theme: Theme) -> None:
    """Write in the bar where it is long, else beside it, on the side that has room."""
    inside = (last - first + 1) > 0.45 * iterations
    right = inside or last < 0.55 * iterations
    figure.add_annotation(
        text=text,
        x=first if inside else last + 1 if right else first,
        xref="x",
        xanchor="left" if right else "right",
        xshift=6 if right else -6,
        y=row,
        yref="y",
        yanchor="middle",
        font={"size": 12, "color": "#10131a" if inside else theme.text},
    )


def _diamonds(
    figure: go.Figure, onsets: Sequence[Mapping[str, Any]], below: int, iterations: int, theme: Theme
) -> None:
    if not onsets:
        return
    rows = list(range(below, below + len(onsets)))
    figure.add_trace(
        go.Scatter(
            x=[onset["iteration"] for onset in onsets],
            y=rows,
            mode="markers",
            name="a part stops",
            marker={
                "symbol": "diamond",
                "size": 13,
                "color": theme.text,
                "line": {"width": 1, "color": theme.paper},
            },
            hovertemplate="%{y}: iteration %{x:,}<extra></extra>",
        )
    )
    for row, onset in zip(rows, onsets, strict=True):
        first = " · first to stop" if row == below else ""
        at = onset["iteration"]
        _say(figure, f"at {at:,}{first}", row, at, at, iterations, theme)


def _axes(figure: go.Figure, names: list[str]) -> None:
    figure.update_xaxes(title_text="iteration", rangemode="tozero")
    figure.update_yaxes(
        {"tickvals": list(range(len(names))), "ticktext": names, "range": [len(names) - 0.5, -0.5]},
        showgrid=False,
        ticks="",
        ticklabelstandoff=6,
    )
    figure.update_layout(barmode="overlay", bargap=0.3, hovermode="closest", margin={"b": 72})


def _label(finding: Mapping[str, Any], *, is_cause: bool) -> str:
    span = f"{finding['onset']:,}–{finding['last']:,}"
    over = "" if finding.get("is_active", True) else ", over"
    return f"{'<b>the cause</b> · ' if is_cause else ''}{finding['severity']}{over} · {span}"


def _name(finding: Mapping[str, Any]) -> str:
    return f"<b>{finding['kind']}</b>{_below(finding.get('where', ''))}"


def _wrapped(finding: Mapping[str, Any]) -> str:
    return "<br>".join(wrap(finding.get("explanation", ""), 70))


def _stopped(onset: Mapping[str, Any]) -> str:
    return f"{onset['part']}: {WHAT.get(onset['what'], onset['what'])}{_below(onset.get('where', ''))}"


def _below(where: str) -> str:
    """A module's name in a second line, its beginning left out where it is long."""
    short = where if len(where) <= WHERE else f"…{where[-WHERE + 1 :]}"
    return f"<br><span style='font-size:11px'>{short}</span>" if where else ""
