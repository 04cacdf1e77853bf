"""Gradient norm of every parameter over the iterations, as colour."""

from collections.abc import Mapping, Sequence
from itertools import groupby

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from ...runs.run import Run
from .lines import joined
from .marks import Mark, add_marks
from .sampling import COLUMNS, min_binned
from .theme import HEATMAP_COLOURS, PART_ORDER, VALUES, Theme, blank, message, note, theme_named
from .windows import binned_of

TITLE = "Gradient norm by parameter"

DECADES = (4, 6)
"""Powers of ten the colours span, at least (or the noise of a healthy run would look like death) and at most (float32
rounding lies about there, and one dead bias would take the colours from the others); ours."""

NAME_LENGTH = 42
"""Characters of a parameter's name beside its row; the whole name shows on hover."""

RIGHT_PX = 160
"""Room beside the rows for the parts' names and the colour bar."""

MOST_NAMES = 90
"""Rows up to which each is named; above, every second, third ... is."""


def gradient_heatmap(
    run: Run, theme: str = "light", *, first: int | None = None, last: int | None = None, marks: Sequence[Mark] = ()
) -> go.Figure:
    """Gradient norms of a run from iteration `first` to `last`: parameters down, iterations across."""
    norms = binned_of(run, "gradient_norm", first, last)
    return gradient_heatmap_figure(norms, run.parts, theme, revision=run.name, marks=marks)


def gradient_heatmap_figure(
    norms: pd.DataFrame,
    parts: Mapping[str, str],
    theme: str = "light",
    *,
    columns: int = COLUMNS,
    revision: str | None = None,
    marks: Sequence[Mark] = (),
) -> go.Figure:
    """Gradient norms on a logarithmic colour scale, each column the lowest of a bin, rows grouped by part.

    norms   : iteration x parameter, L2; NaN is no gradient and stays a gap. Or bins of them, see `windows.binned_of`
    parts   : part of the network (conv, rnn, head, attention, other) by parameter
    columns : bins of iterations, at most
    """
    chosen = theme_named(theme)
    if norms.isna().to_numpy().all():
        return message(TITLE, "This run holds no gradient norms.", chosen)
    rows = data_flow_order(list(norms.columns), parts)
    iterations = norms.attrs.get("iterations", len(norms))
    ordered, width = norms.reindex(columns=rows), norms.attrs.get("width", 1)
    binned, width = (ordered, width) if width > 1 else min_binned(ordered, columns)
    figure = blank(TITLE, chosen, revision, height=figure_height(len(rows)))
    figure.add_traces([_heatmap(binned, width)])
    _axes(figure, rows, chosen)
    shapes, names = part_marks([parts[row] for row in rows if row in parts], chosen)
    figure.update_layout(shapes=shapes, annotations=names)
    note(figure, joined(_missing(binned), drawn_note(len(binned), width, iterations)))
    return add_marks(figure, marks, chosen)


def data_flow_order(parameters: Sequence[str], parts: Mapping[str, str]) -> list[str]:
    """Parameters by part of the network, in their own order within it.

    >>> data_flow_order(["fc.weight", "conv.weight"], {"fc.weight": "head", "conv.weight": "conv"})
    ['conv.weight', 'fc.weight']
    """
    place = {part: index for index, part in enumerate(PART_ORDER)}
    return sorted(parameters, key=lambda name: place.get(parts.get(name, "other"), len(place)))


def shortened(name: str, length: int = NAME_LENGTH) -> str:
    """A parameter's name in at most `length` characters: outer modules by their first letter, then the middle left out.

    >>> shortened("encoder.blocks.0.convolution.weight", 30)
    'e.blocks.0.convolution.weight'
    """
    modules = name.split(".")
    for place in range(len(modules) - 2):
        if len(".".join(modules)) > length:
            modules[place] = modules[place][:1]
    short = ".".join(modules)
    kept = length - 1
    return short if len(short) <= length else f"{short[: kept // 2]}…{short[-(kept - kept // 2) :]}"


def figure_height(rows: int) -> int:
    """Pixels of a heatmap with so many rows: each row is readable until there are too many."""
    return 124 + int(min(max(rows * 15, 210), 1200))


def log_norms(norms: np.ndarray, decades: tuple[int, int] = DECADES) -> tuple[np.ndarray, int, int]:
    """log10 of norms (that of zero is minus infinity), and the lowest and highest power of ten the colours show.

    decades : powers of ten the colours span, at least and at most
    """
    with np.errstate(divide="ignore"):
        logs = np.log10(norms.astype(np.float32))
    finite = logs[np.isfinite(logs)]
    if not finite.size:
        return logs, -decades[0], 0
    high = int(np.ceil(finite.max()))
    return logs, high - int(np.clip(high - np.floor(finite.min()), *decades)), high


def _heatmap(binned: pd.DataFrame, width: int) -> go.Heatmap:
    norms = binned.to_numpy(dtype=np.float32).T
    logs, low, high = log_norms(norms)
    lowest = "" if width == 1 else f", lowest of {width:,}"
    return go.Heatmap(
        x=binned.index.to_numpy(dtype=np.float64) + (width - 1) / 2,
        y=list(binned.columns),
        z=np.clip(logs, low, high),
        customdata=norms,
        meta=VALUES,
        name="gradient norm",
        zmin=low,
        zmax=high,
        colorscale=HEATMAP_COLOURS,
        colorbar=colourbar(low, high, "gradient norm (L2)"),
        hoverongaps=False,
        hovertemplate=f"<b>%{{y}}</b><br>iteration %{{x:,.0f}}{lowest}<br>norm %{{customdata:.2e}}<extra></extra>",
    )


def colourbar(low: int, high: int, title: str) -> dict:
    """The scale beside a heatmap whose colours are powers of ten, at the right edge of the figure."""
    powers = list(range(low, high + 1))
    return {
        "x": 1,
        "xref": "container",
        "xanchor": "right",
        "xpad": 6,
        "y": 1,
        "yanchor": "top",
        "ypad": 0,
        "lenmode": "pixels",
        "len": 200,
        "thickness": 12,
        "outlinewidth": 0,
        "tickvals": powers,
        "ticktext": [f"1e{power}" for power in powers],
        "title": {"text": title, "side": "right", "font": {"size": 12}},
    }


def _axes(figure: go.Figure, rows: list[str], theme: Theme) -> None:
    named = rows[:: -(-len(rows) // MOST_NAMES)]
    names = {
        "type": "category",
        "range": [len(rows) - 0.5, -0.5],
        "tickvals": named,
        "ticktext": [shortened(name) for name in named],
        "tickfont": {"size": 11, "family": "ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace"},
        "showgrid": False,
        "ticks": "",
        "ticklabelstandoff": 6,
    }
    figure.update_layout(
        xaxis={"title": {"text": "iteration"}, "showgrid": False},
        yaxis=names,
        plot_bgcolor=theme.missing,
        margin={"r": RIGHT_PX, "t": 56},
    )


def part_marks(row_parts: Sequence[str], theme: Theme, across: str = "x domain") -> tuple[list[dict], list[dict]]:
    """Shapes and names beside rows: a coloured bar and a name by part, and a gap between the parts.

    row_parts : part of the network by row
    across    : what the gaps go across, a reference of Plotly's: one panel, or "paper" for all
    """
    shapes, names, start = [], [], 0
    for part, group in groupby(row_parts):
        end = start + len(list(group))
        colour = theme.parts.get(part, theme.muted)
        bar = {"xref": "paper", "xsizemode": "pixel", "xanchor": 1, "x0": 4, "x1": 9, "line": {"width": 0}}
        shapes.append({"type": "rect", "y0": start - 0.5, "y1": end - 0.5, "fillcolor": colour, "name": part, **bar})
        place = {"xref": "paper", "x": 1, "xanchor": "left", "xshift": 14, "y": (start + end - 1) / 2, "yref": "y"}
        names.append({"text": f"<b>{part}</b>", "font": {"color": colour, "size": 12}, "name": part, **place})
        if start:
            gap = {"xref": across, "x0": 0, "x1": 1, "y0": start - 0.5, "y1": start - 0.5}
            shapes.append({"type": "line", "line": {"color": theme.paper, "width": 3}, **gap})
        start = end
    return shapes, names


def drawn_note(columns: int, width: int, iterations: int) -> str:
    """How many columns stand for how many iterations, and that each is the lowest of its own."""
    if width == 1 or columns >= iterations:
        return f"{iterations:,} of {iterations:,} iterations"
    return f"{columns:,} of {iterations:,} iterations (each column the lowest of {width:,})"


def _missing(norms: pd.DataFrame) -> str:
    missing = norms.isna().to_numpy()
    if not missing.any():
        return ""
    parameters, never = int(missing.any(axis=0).sum()), int(missing.all(axis=0).sum())
    some = f"grey: no gradient recorded ({parameters} of {norms.shape[1]} parameters"
    return f"{some}, {never} never)" if never else f"{some})"
