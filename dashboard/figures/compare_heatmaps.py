"""Gradient norms of several runs as heatmaps beside each other, on one colour scale and one axis of iterations."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from ...runs.run import Run
from .gradient_heatmap import MOST_NAMES, colourbar, data_flow_order, figure_height, log_norms, part_marks, shortened
from .groups import cut, labelled
from .lines import joined
from .sampling import COLUMNS, min_binned
from .theme import HEATMAP_COLOURS, VALUES, Theme, blank, message, note, theme_named
from .windows import binned_of

TITLE = "Gradient norm by parameter, side by side"

MOST = 4
"""Heatmaps beside each other, at most: of more none would be wide enough to be read."""

NAME_LENGTH = 30
"""Characters of a parameter's name; the whole name shows on hover."""

LABELS_LENGTH = 104
"""Characters of all the labels above the heatmaps; they fit into a page of 1,280 pixels."""

GAP = 0.02
"""Share of the width between two heatmaps."""

RIGHT_PX = 150
"""Room at the right for the parts' names and the colour bar."""


def compare_heatmaps(
    runs: Sequence[Run], theme: str = "light", *, first: int | None = None, last: int | None = None
) -> go.Figure:
    """Gradient norms of the first MOST of the runs, from iteration `first` to `last`."""
    members = {label: group[0] for label, group in labelled(runs).items()}
    drawn = dict(list(members.items())[:MOST])
    columns = COLUMNS // max(1, len(drawn))
    norms = {label: binned_of(run, "gradient_norm", first, last, columns=columns) for label, run in drawn.items()}
    parts = {name: part for run in reversed(drawn.values()) for name, part in run.parts.items()}
    left_out = [label for label in members if label not in drawn]
    said = f"not shown: {', '.join(left_out[:MOST])}{' and more' if len(left_out) > MOST else ''}" if left_out else ""
    return compare_heatmaps_figure(norms, parts, theme, said=said, revision=",".join(drawn), columns=columns)


def compare_heatmaps_figure(
    norms: Mapping[str, pd.DataFrame],
    parts: Mapping[str, str],
    theme: str = "light",
    *,
    columns: int = COLUMNS // 2,
    said: str = "",
    revision: str | None = None,
) -> go.Figure:
    """One heatmap a run, all parameters of all of them as rows; a row is grey in a run without that parameter.

    norms   : iteration x parameter by label, L2; or bins of them, see `windows.binned_of`
    parts   : part of the network by parameter
    columns : bins of iterations of each, at most
    said    : to be told under the figure
    """
    chosen = theme_named(theme)
    if all(table.isna().to_numpy().all() for table in norms.values()):
        return message(TITLE, "None of these runs holds gradient norms.", chosen)
    rows = data_flow_order(list(dict.fromkeys(str(name) for table in norms.values() for name in table)), parts)
    binned = {label: _binned(table, rows, columns) for label, table in norms.items()}
    _, low, high = log_norms(np.concatenate([table.to_numpy().ravel() for table, _ in binned.values()]))
    figure = blank(TITLE, chosen, revision, height=figure_height(len(rows)) + 24)
    heatmaps = [
        _heatmap(table, width, label, low, high, place)
        for place, (label, (table, width)) in enumerate(binned.items(), start=1)
    ]
    figure.add_traces(heatmaps)
    _lay_out(figure, list(norms), rows, parts, chosen)
    figure.update_layout(
        coloraxis={
            "cmin": low,
            "cmax": high,
            "colorscale": HEATMAP_COLOURS,
            "colorbar": colourbar(low, high, "gradient norm (L2)"),
        }
    )
    return note(figure, joined(said, _absent(norms, rows), _drawn(norms, binned)))


def _binned(norms: pd.DataFrame, rows: list[str], columns: int) -> tuple[pd.DataFrame, int]:
    """The lowest of each bin, all rows, and the iterations in a bin."""
    ordered, width = norms.reindex(columns=rows).astype(np.float32), norms.attrs.get("width", 1)
    return (ordered, width) if width > 1 or not len(ordered) else min_binned(ordered, columns)


def _heatmap(binned: pd.DataFrame, width: int, label: str, low: int, high: int, place: int) -> go.Heatmap:
    norms = binned.to_numpy(dtype=np.float32).T
    logs, _, _ = log_norms(norms)
    lowest = "" if width == 1 else f", lowest of {width:,}"
    axis = "" if place == 1 else str(place)
    return go.Heatmap(
        x=binned.index.to_numpy(dtype=np.float64) + (width - 1) / 2,
        y=list(binned.columns),
        z=np.clip(logs, low, high),
        customdata=norms,
        meta=VALUES,
        name=label,
        coloraxis="coloraxis",
        hoverongaps=False,
        hovertemplate=f"<b>%{{y}}</b><br>iteration %{{x:,.0f}}{lowest}<br>norm %{{customdata:.2e}}"
        f"<extra>{label}</extra>",
        xaxis=f"x{axis}",
        yaxis="y",
    )


def _lay_out(figure: go.Figure, labels: Sequence[str], rows: list[str], parts: Mapping[str, str], theme: Theme) -> None:
    """The heatmaps share the rows, and their axes of iterations show the same stretch."""
    width = (1 - GAP * (len(labels) - 1)) / len(labels)
    axes, names = {}, []
    for place, label in enumerate(labels):
        left = place * (width + GAP)
        own = {} if place == 0 else {"matches": "x"}
        axes[f"xaxis{place + 1 if place else ''}"] = {
            "domain": [left, min(1.0, left + width)],
            "anchor": "y",
            "title": {"text": "iteration"},
            "showgrid": False,
            "nticks": 6,
            **own,
        }
        names.append(
            {
                "text": f"<b>{cut(label, LABELS_LENGTH // len(labels))}</b>",
                "font": {"size": 12, "color": theme.text},
                "name": "run",
                **{
                    "xref": "paper",
                    "yref": "paper",
                    "x": left,
                    "y": 1,
                    "xanchor": "left",
                    "yanchor": "bottom",
                    "yshift": 4,
                },
            }
        )
    shapes, part_names = part_marks([parts.get(row, "other") for row in rows], theme, "paper")
    named = rows[:: -(-len(rows) // MOST_NAMES)]
    figure.update_layout(
        yaxis={
            "type": "category",
            "range": [len(rows) - 0.5, -0.5],
            "tickvals": named,
            "ticktext": [shortened(name, NAME_LENGTH) for name in named],
            "tickfont": {"size": 11, "family": "ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace"},
            "showgrid": False,
            "ticks": "",
            "ticklabelstandoff": 6,
        },
        shapes=shapes,
        annotations=[*names, *part_names],
        plot_bgcolor=theme.missing,
        margin={"r": RIGHT_PX, "t": 76},
        **axes,
    )


def _absent(norms: Mapping[str, pd.DataFrame], rows: list[str]) -> str:
    """Which runs lack parameters that others have, and that grey is what was not recorded."""
    held = {label: set(table.dropna(axis=1, how="all").columns) for label, table in norms.items()}
    lacking = {label: len(rows) - len(names) for label, names in held.items() if len(names) < len(rows)}
    told = ", ".join(f"{label} ({count} of {len(rows)})" for label, count in lacking.items())
    return f"grey: no such parameter, or no gradient: {told}" if told else ""


def _drawn(norms: Mapping[str, pd.DataFrame], binned: Mapping[str, tuple[pd.DataFrame, int]]) -> str:
    """How many columns stand for how many iterations, of the longest of the runs."""
    label = max(norms, key=lambda one: norms[one].attrs.get("iterations", len(norms[one])))
    iterations, (table, width) = norms[label].attrs.get("iterations", len(norms[label])), binned[label]
    if width == 1 or len(table) >= iterations:
        return f"{iterations:,} of {iterations:,} iterations"
    return f"{len(table):,} of {iterations:,} iterations (each column the lowest of {width:,})"
