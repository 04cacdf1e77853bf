"""The evidence of one finding: the signals its detector read, the thresholds it held them to, and when it began."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from ...runs.run import Run
from .evidence_signals import PANELS, WORDS, Levels, Lines, Panel, Source, finite
from .findings_timeline import SEVERITY_COLOURS
from .lines import joined, line, log_axis
from .marks import Mark
from .sampling import POINTS
from .theme import Theme, blank, message, note, theme_named

PANEL_PX = 172
"""Height of one chart."""

CLEAR = "rgba(0,0,0,0)"

GAP_PX = 44
"""Between two charts, where the title of the lower stands."""

ROOM_PX = 138
"""Height of title, axis and note."""

MOST_LINES = 6
"""Lines in a chart; of a module with more parameters the first are drawn, and the note says so."""

UNKNOWN = "No chart is known for this kind of finding; its numbers stand in the table of findings."


@dataclass(frozen=True)
class Chart:
    """A panel with what was recorded for it."""

    panel: Panel
    lines: Lines
    levels: Levels


def evidence(
    run: Run,
    finding: Mapping[str, Any],
    theme: str = "light",
    *,
    first: int | None = None,
    last: int | None = None,
    marks: Sequence[Mark] = (),
) -> go.Figure:
    """What one finding of a run rests on.

    finding     : of `runs.summary`: a dictionary of the JSON with `variant` and `where`
    first, last : iterations, both included; None is the run's own
    marks       : not drawn: the finding's own onset is
    """
    del marks
    found, name = charts(Source(run, finding, first, last)), f"{run.name} {finding['kind']} {finding.get('where', '')}"
    newest = len(run) - 1
    whole = (newest if last is None else min(last, newest)) - (0 if first is None else max(first, 0)) + 1
    return evidence_figure(finding, found, theme, iterations=whole, revision=name)


def charts(source: Source) -> list[Chart]:
    """The charts of a finding, one a panel of its kind and variant, whatever was recorded for it."""
    panels = PANELS.get((source.finding["kind"], source.finding.get("variant", "")), ())
    return [Chart(panel, _recorded(panel.lines(source)), finite(panel.levels(source))) for panel in panels]


def evidence_figure(
    finding: Mapping[str, Any],
    charts: Sequence[Chart],
    theme: str = "light",
    *,
    iterations: int | None = None,
    revision: str | None = None,
) -> go.Figure:
    """The charts of one finding, one under the other on a shared axis; where it held is shaded, its onset marked.

    finding    : `kind`, `severity`, `onset`, `last`, `where`, `variant`
    charts     : a chart without lines is left out, and the note says so
    iterations : that they stand for; None where each point is one
    """
    chosen = theme_named(theme)
    words = WORDS.get((finding["kind"], finding.get("variant", "")), "")
    drawn = [chart for chart in charts if chart.lines]
    if not drawn:
        missing = ", ".join(chart.panel.title for chart in charts)
        why = f"Nothing of it was recorded: {missing}. Level standard or deep has it." if charts else UNKNOWN
        return message(_title(finding), words or why, chosen, height=240)
    figure = _grid(drawn, finding, chosen, revision)
    for row, chart in enumerate(drawn, start=1):
        _draw(figure, chart, row, finding, chosen)
    _mark_onset(figure, finding, chosen)
    return note(figure, joined(words, *_notes(drawn, charts, iterations)))


def evidence_height(finding: Mapping[str, Any]) -> int:
    """Pixels that the figure of a finding takes at most."""
    panels = PANELS.get((finding["kind"], finding.get("variant", "")), ())
    return ROOM_PX + PANEL_PX * len(panels) if panels else 240


def _recorded(lines: Lines) -> Lines:
    return {name: values for name, values in lines.items() if values.notna().any()}


def _title(finding: Mapping[str, Any]) -> str:
    where = finding.get("where", "")
    return f"Evidence: {finding['kind']}{f' in {where}' if where else ''}"


def _grid(charts: Sequence[Chart], finding: Mapping[str, Any], theme: Theme, revision: str | None) -> go.Figure:
    """One x axis, under the lowest chart, and an axis, a title and a legend for each."""
    height = ROOM_PX + PANEL_PX * len(charts)
    gap = GAP_PX / (height - ROOM_PX)
    share = (1 - gap * (len(charts) - 1)) / len(charts)
    figure = blank(_title(finding), theme, revision, height)
    for row, chart in enumerate(charts, start=1):
        top = 1 - (row - 1) * (share + gap)
        axis = {"domain": [max(top - share, 0), top], "anchor": "x", "title": {"text": chart.panel.unit}}
        legend = {"orientation": "h", "x": 1, "xanchor": "right", "y": top, "yanchor": "bottom", "bgcolor": CLEAR}
        figure.update_layout({f"yaxis{_axis(row)}": axis, f"legend{_axis(row)}": legend})
        place = {"xref": "paper", "x": 0, "xanchor": "left", "yref": "paper", "y": top, "yanchor": "bottom"}
        figure.add_annotation(text=chart.panel.title, **place, font={"size": 12, "color": theme.text}, yshift=3)
    figure.update_xaxes(title_text="iteration", anchor=f"y{_axis(len(charts))}")
    return figure.update_layout(margin_t=70, showlegend=True, hovermode="x unified", hoversubplots="axis")


def _axis(row: int) -> str:
    return "" if row == 1 else str(row)


def _draw(figure: go.Figure, chart: Chart, row: int, finding: Mapping[str, Any], theme: Theme) -> None:
    lines = {name: _positive(values) if chart.panel.log else values for name, values in _shown(chart).items()}
    for colour, (name, values) in zip(_colours(theme), lines.items(), strict=False):
        trace = line(values, name, colour)
        figure.add_trace(trace.update(showlegend=len(lines) > 1, legend=f"legend{_axis(row)}", yaxis=f"y{_axis(row)}"))
    span = _span(lines.values(), finding)
    for label, value in chart.levels.items():
        figure.add_trace(_level(value, label, row, span, theme))
        _label(figure, value, label, row, log=chart.panel.log, above=not _lies_above(lines, value), theme=theme)
    if chart.panel.log:
        scale = log_axis([*lines.values(), pd.Series(list(chart.levels.values()), dtype=float)], 0.45)
        figure.layout[f"yaxis{_axis(row)}"].update(scale)


def _lies_above(lines: Lines, level: float) -> bool:
    """Whether the end of what is drawn lies closer above a level than below it: its name goes to the other side."""
    ends = [values.dropna().iloc[-max(1, len(values) // 3) :] for values in lines.values()]
    distances = pd.concat(ends) - level
    return bool(distances.iloc[distances.abs().argmin()] > 0) if len(distances) else False


def _level(value: float, label: str, row: int, span: tuple[float, float], theme: Theme) -> go.Scatter:
    """A threshold across the chart, as a line that the axis makes room for."""
    style = {"color": theme.muted, "width": 1.2, "dash": "dash"}
    trace = go.Scatter(x=list(span), y=[value, value], name=label, mode="lines", line=style, showlegend=False)
    return trace.update(yaxis=f"y{_axis(row)}", hoverinfo="skip")


def _shown(chart: Chart) -> Lines:
    return dict(list(chart.lines.items())[:MOST_LINES])


def _colours(theme: Theme) -> list[str]:
    return [theme.parts[part] for part in ("conv", "rnn", "head", "attention", "other")] + [theme.text]


def _positive(values: pd.Series) -> pd.Series:
    """What a logarithmic axis can show."""
    return values.where(values > 0)


def _span(lines: Any, finding: Mapping[str, Any]) -> tuple[float, float]:
    known = [values.dropna().index for values in lines if values.notna().any()]
    if not known:
        return float(finding["onset"]), float(finding["last"])
    return float(min(index[0] for index in known)), float(max(index[-1] for index in known))


def _label(figure: go.Figure, value: float, label: str, row: int, *, log: bool, above: bool, theme: Theme) -> None:
    figure.add_annotation(
        text=f"{label} ({value:.3g})",
        xref="paper",
        x=1,
        xanchor="right",
        yref=f"y{_axis(row)}",
        y=math.log10(value) if log and value > 0 else value,
        yanchor="bottom" if above else "top",
        yshift=2 if above else -2,
        bgcolor=theme.paper,
        opacity=0.85,
    )


def _mark_onset(figure: go.Figure, finding: Mapping[str, Any], theme: Theme) -> None:
    """Where the finding held, shaded over all charts, and its onset as a line with its iteration."""
    colour = SEVERITY_COLOURS[theme.name][finding["severity"]]
    ends = {"x0": finding["onset"], "x1": finding["last"], "xref": "x", "yref": "paper", "y0": 0, "y1": 1}
    figure.add_shape(type="rect", **ends, fillcolor=colour, opacity=0.08, line_width=0, layer="below", name="held")
    start = {**ends, "x1": finding["onset"]}
    figure.add_shape(type="line", **start, line={"color": colour, "width": 1.6, "dash": "dot"}, name="onset")
    figure.add_annotation(
        text=f"since {finding['onset']:,}",
        name="onset",
        x=finding["onset"],
        xref="x",
        xanchor="left",
        xshift=3,
        y=0,
        yref="paper",
        yanchor="bottom",
        font={"color": colour, "size": 11},
        bgcolor=theme.paper,
        opacity=0.9,
    )


def _notes(drawn: Sequence[Chart], charts: Sequence[Chart], iterations: int | None) -> list[str]:
    """What is not to be seen: signals that were not recorded, zeros below a logarithmic axis, lines too many."""
    missing = [chart.panel.title for chart in charts if not chart.lines]
    zeros = sum(int((values == 0).sum()) for chart in drawn if chart.panel.log for values in chart.lines.values())
    more = sum(max(0, len(chart.lines) - MOST_LINES) for chart in drawn)
    recorded = max(int(values.notna().sum()) for chart in drawn for values in chart.lines.values())
    points = min(recorded, POINTS)
    return [
        f"not recorded: {', '.join(missing)}" if missing else "",
        f"exactly 0, below the axis, at {zeros:,} points" if zeros else "",
        f"{more} more parameters" if more else "",
        f"{points:,} of {max(points, iterations or recorded):,} points",
        "of parameters, frames and classes the mean of each bin" if (iterations or 0) > POINTS else "",
    ]
