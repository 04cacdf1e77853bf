"""Panels over one clip, one below the other on one axis of time: log-mel, rows of colour by class, signed values."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go

from ...runs.kept_clips import Event, KeptClip
from .theme import HEATMAP_COLOURS, Theme, faint

MEL_COLOURS = "Cividis"
"""Safe for colour-blind readers, and not the maps' colours: it shows another quantity."""

TOP_PX, BOTTOM_PX, GAP_PX, RIGHT_PX = 62, 62, 46, 96
"""Room above the panels, below them, between them (for a panel's name), and beside them (for their colour bars)."""

SMALL = 1e-3
"""Below it numbers beside an axis would be all zeros."""

LOW_PX = 60
"""A panel that is lower has room for two numbers beside its colours."""

TICKS_HZ = (63, 125, 250, 500, 1000, 2000, 4000, 8000, 16000)

FADED = 0.3
"""Opacity of what is drawn though it says nothing."""

NAME_LENGTH = 26
"""Characters of a class's name beside its row; the whole name shows on hover."""


@dataclass(frozen=True)
class Panel:
    """A heatmap or a line in a stack, `height` pixels high; where there is neither, `text` says why.

    said : what stands above it, behind its name
    x : (column + 1,) edges
    z : (row, column)
    rows : a name a row, the first at the top; empty for a panel whose rows are mel bins, the first at the bottom
    marked : text beside each row
    n_real : columns that are not padding, which alone decide the colours of a log-mel; None is all
    limit : of signed values: the colours run from -limit to limit; None for values that are not signed
    faded : drawn, and not to be relied on
    line : (column,) signed values instead of a heatmap
    """

    name: str
    height: int
    said: str = ""
    x: np.ndarray | None = None
    z: np.ndarray | None = None
    rows: tuple[str, ...] = ()
    marked: tuple[str, ...] = ()
    hz: np.ndarray | None = None
    unit: str = ""
    text: str = ""
    n_real: int | None = None
    limit: float | None = None
    faded: bool = False
    line: np.ndarray | None = None


def shortened(name: str, length: int = NAME_LENGTH) -> str:
    """A name in at most `length` characters, the middle left out.

    >>> shortened("Accelerating_and_revving_and_vroom", 20)
    'Accelerat…_and_vroom'
    """
    kept = length - 1
    return name if len(name) <= length else f"{name[: kept // 2]}…{name[-(kept - kept // 2) :]}"


def stack(figure: go.Figure, panels: Sequence[Panel], theme: Theme) -> None:
    """Draw panels below each other; the axis of time is `x`, those of the panels `y`, `y2` ... from the top."""
    inner = sum(panel.height for panel in panels) + GAP_PX * (len(panels) - 1)
    figure.update_layout(
        height=inner + TOP_PX + BOTTOM_PX,
        margin={"t": TOP_PX, "b": BOTTOM_PX, "r": RIGHT_PX},
        plot_bgcolor=theme.missing,
    )
    top = inner
    for place, panel in enumerate(panels):
        domain = (max(0.0, (top - panel.height) / inner), top / inner)
        _draw(figure, panel, place + 1, domain, theme)
        top -= panel.height + GAP_PX
    figure.update_xaxes(anchor="free", position=0, showgrid=False)


def _draw(figure: go.Figure, panel: Panel, number: int, domain: tuple[float, float], theme: Theme) -> None:
    axis = f"y{number if number > 1 else ''}"
    figure.update_layout({f"yaxis{axis[1:]}": {"domain": domain, "anchor": "x", "showgrid": False, **_rows(panel)}})
    figure.add_annotation(
        text=f"<b>{panel.name}</b>{panel.said}",
        xref="paper",
        x=0,
        xanchor="left",
        yref="paper",
        y=domain[1],
        yanchor="bottom",
        yshift=3,
        font={"size": 12, "color": theme.text},
        name="panel",
    )
    if panel.line is not None:
        _draw_line(figure, panel, axis, theme)
        return
    if panel.z is None:
        place = {"xref": "paper", "yref": "paper", "x": 0.5, "y": sum(domain) / 2}
        corners = {"x0": 0, "x1": 1, "y0": domain[0], "y1": domain[1], "xref": "paper", "yref": "paper"}
        figure.add_shape(fillcolor=theme.missing, opacity=0.25, line={"width": 0}, name="missing", **corners)
        figure.add_annotation(
            text=panel.text, name="missing", font={"size": 13, "color": theme.text}, bgcolor=theme.paper, **place
        )
        return
    low, high = _limits(panel)
    if panel.faded and panel.x is not None:
        _draw_ground(figure, panel.x, axis, theme)
    figure.add_trace(
        go.Heatmap(
            x=panel.x,
            y=np.arange(len(panel.z)),
            z=panel.z.astype(np.float32),
            yaxis=axis,
            name=panel.name,
            text=None if not panel.rows else [[row] * panel.z.shape[1] for row in panel.rows],
            zmin=low,
            zmax=high,
            colorscale=_colours(panel, theme),
            opacity=FADED if panel.faded else 1,
            colorbar=_bar(panel, domain),
            hoverongaps=False,
            hovertemplate=_hover(panel),
            customdata=None if panel.hz is None else np.repeat(panel.hz[:, None], panel.z.shape[1], axis=1),
        )
    )


def _draw_line(figure: go.Figure, panel: Panel, axis: str, theme: Theme) -> None:
    """Signed values by column: filled to zero, red above and blue below, as the signed colours are."""
    if panel.x is None or panel.line is None:
        return
    x = (panel.x[1:] + panel.x[:-1]) / 2
    _draw_ground(figure, panel.x, axis, theme)
    steps = {"mode": "lines", "line": {"width": 0.8, "shape": "hvh"}, "fill": "tozeroy", "yaxis": axis}
    for sign, place in (("positive", 0.72), ("negative", 0.28)):
        y = np.maximum(panel.line, 0) if sign == "positive" else np.minimum(panel.line, 0)
        colour = _at(theme.signed, place)
        figure.add_trace(
            go.Scatter(
                x=x,
                y=y.astype(np.float32),
                name=f"{panel.name}, {sign}",
                line_color=colour,
                fillcolor=faint(colour, FADED if panel.faded else 1),
                opacity=FADED if panel.faded else 1,
                showlegend=False,
                hovertemplate="%{x:.2f}<br>%{y:.3g}<extra></extra>",
                **steps,
            )
        )


def _draw_ground(figure: go.Figure, x: np.ndarray, axis: str, theme: Theme) -> None:
    """What is known stands on the page's own colour, as what is missing does not."""
    ground = {"type": "rect", "layer": "below", "line": {"width": 0}, "fillcolor": theme.plot, "name": "ground"}
    ends = {"x0": float(x[0]), "x1": float(x[-1]), "y0": 0, "y1": 1}
    figure.add_shape(xref="x", yref=f"{axis} domain", **ends, **ground)


def _at(scale: tuple[tuple[float, str], ...], place: float) -> str:
    """The colour of a scale that lies nearest to a place."""
    return min(scale, key=lambda stop: abs(stop[0] - place))[1]


def _colours(panel: Panel, theme: Theme) -> str | list[tuple[float, str]]:
    if panel.limit is not None:
        return list(theme.signed)
    return HEATMAP_COLOURS if panel.rows else MEL_COLOURS


def _limits(panel: Panel) -> tuple[float, float]:
    if panel.limit is not None:
        return -panel.limit, panel.limit
    if panel.z is None:
        return 0.0, 1.0
    return _span(panel.z if panel.n_real is None else panel.z[:, : panel.n_real], bool(panel.rows))


def _rows(panel: Panel) -> dict:
    """The axis of a panel's rows, or of its line."""
    if panel.line is not None:
        return {"title": {"text": panel.unit}, "nticks": 4, "zeroline": True, **_line_format(panel.line)}
    if panel.rows:
        n = len(panel.rows)
        return {"range": [n - 0.5, -0.5], "tickvals": list(range(n)), "ticktext": list(panel.marked), "ticks": ""}
    if panel.hz is None or panel.z is None:
        return {"title": {"text": "mel bin"}} if panel.z is not None else {"visible": False}
    shown, places = _ticks(panel.hz)
    ticks = {"tickvals": places, "ticktext": [f"{hz:,}" for hz in shown]}
    return {"title": {"text": "frequency (Hz)"}, "range": [-0.5, len(panel.hz) - 0.5], **ticks}


def _ticks(hz: np.ndarray) -> tuple[list[int], list[float]]:
    """Round frequencies and the rows where they stand, far enough from each other to be read."""
    shown, places = [], []
    for tick in reversed([tick for tick in TICKS_HZ if hz[0] <= tick <= hz[-1]]):
        place = float(np.interp(tick, hz, np.arange(len(hz))))
        if not places or places[-1] - place >= len(hz) / 12:
            shown.append(tick)
            places.append(place)
    return shown, places


def _span(values: np.ndarray, from_zero: bool) -> tuple[float, float]:
    """Colours from zero for maps, so that a flat map looks flat; else the range of all but the lowest twentieth."""
    finite = values[np.isfinite(values)]
    if not finite.size:
        return 0.0, 1.0
    low = min(0.0, float(finite.min())) if from_zero else float(np.percentile(finite, 5))
    high = float(finite.max())
    return (low, high) if high > low else (low, low + 1.0)


def _bar(panel: Panel, domain: tuple[float, float]) -> dict:
    return {
        "x": 1.0,
        "xpad": 8,
        "y": domain[0],
        "yanchor": "bottom",
        "ypad": 0,
        "lenmode": "pixels",
        "len": panel.height,
        "thickness": 10,
        "outlinewidth": 0,
        **_numbers(panel),
        "title": {"text": panel.unit, "side": "right", "font": {"size": 11}},
    }


def _numbers(panel: Panel) -> dict:
    """What stands beside a panel's colours; of signed values where they end, and zero."""
    if panel.limit is None:
        return {"nticks": 4 if panel.height > LOW_PX else 2, "tickformat": ".2~g"}
    ends = (-panel.limit, 0.0, panel.limit)
    return {"tickvals": list(ends), "ticktext": [f"{end:+.2g}" if end else "0" for end in ends]}


def _line_format(line: np.ndarray) -> dict[str, str]:
    """Of very small numbers their powers of ten."""
    highest = float(np.abs(line[np.isfinite(line)]).max(initial=0))
    return {"tickformat": ".0e" if 0 < highest < SMALL else ".2~g"}


def _hover(panel: Panel) -> str:
    if panel.rows:
        return "<b>%{text}</b><br>%{x:.2f}<br>%{z:.3g}<extra></extra>"
    where = "bin %{y}" if panel.hz is None else "%{customdata:,.0f} Hz"
    value = "%{z:.3g}" if panel.limit is not None else "%{z:.2f} (as the model gets it)"
    return f"{where}<br>%{{x:.2f}}<br>{value}<extra></extra>"


def add_boxes(figure: go.Figure, boxes: Sequence[tuple[Event, float, float]], axis: str, label: str) -> None:
    """Outline events over a heatmap: white on black, which shows on any colour.

    boxes : (event, lowest, highest row)
    """
    if not boxes:
        return
    x: list[float | None] = []
    y: list[float | None] = []
    for event, low, high in boxes:
        x += [event.onset_s, event.offset_s, event.offset_s, event.onset_s, event.onset_s, None]
        y += [low, low, high, high, low, None]
    for colour, width in (("#000000", 4.0), ("#ffffff", 1.8)):
        figure.add_trace(
            go.Scatter(
                x=x,
                y=y,
                yaxis=axis,
                mode="lines",
                line={"color": colour, "width": width},
                name=label,
                showlegend=False,
                hoverinfo="skip",
            )
        )


def together(events: Sequence[Event]) -> list[Event]:
    """Events at the same time as one, their labels joined.

    >>> together([Event(1, 2, "zero"), Event(1, 2, "Lucas"), Event(3, 4, "two")])
    [Event(onset_s=1, offset_s=2, label='zero + Lucas'), Event(onset_s=3, offset_s=4, label='two')]
    """
    labels: dict[tuple[float, float], list[str]] = {}
    for event in events:
        labels.setdefault((event.onset_s, event.offset_s), []).append(event.label)
    return [Event(*when, " + ".join(dict.fromkeys(found))) for when, found in labels.items()]


def mel_panel(clip: KeptClip, height: int = 190) -> Panel:
    """The clip as the model gets it."""
    return Panel(
        "log-mel",
        height,
        ", as the model gets it",
        x=clip.edges(),
        z=clip.mel.T,
        hz=clip.hz,
        unit="log-mel",
        n_real=clip.n_real,
    )


def time_axis(figure: go.Figure, clip: KeptClip | None, n_frames: int = 1) -> None:
    """The axis of time, from the clip's start to the end of its last frame; of frames where seconds are unknown."""
    if clip is None or clip.frame_s is None:
        n_frames = n_frames if clip is None else len(clip.mel)
        figure.update_xaxes(title_text="frame", range=[-0.5, n_frames - 0.5])
    else:
        figure.update_xaxes(title_text="time (s)", range=[0, float(clip.edges()[-1])])


def add_padding(figure: go.Figure, clip: KeptClip) -> None:
    """Say where the clip ends and what it was padded with begins."""
    if clip.n_real is None or clip.n_real >= len(clip.mel):
        return
    edge = float(clip.edges()[clip.n_real])
    figure.add_shape(
        type="line",
        xref="x",
        yref="paper",
        x0=edge,
        x1=edge,
        y0=0,
        y1=1,
        name="padding",
        line={"color": "#ffffff", "width": 1.4, "dash": "dash"},
    )
    figure.add_annotation(
        text="padding →",
        name="padding",
        x=edge,
        xref="x",
        xanchor="left",
        y=-0.5,
        yref="y",
        yanchor="bottom",
        xshift=2,
        font={"size": 11, "color": "#ffffff"},
        bgcolor="rgba(0,0,0,0.55)",
    )
