"""How far each step moves the weights, by part of the network."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from ...runs.run import Run
from .lines import foot, joined, line, log_axis, points_note, times, zeros
from .marks import Mark, add_marks
from .sampling import POINTS, breaks, min_binned
from .theme import PART_ORDER, Theme, blank, message, note, theme_named
from .windows import bands_of

TITLE = "Update ratio by part: norm of the step over norm of the weights"

RULE = 1e-3
"""Where the update ratio of a net that learns well lies, about.

Source: A. Karpathy, CS231n course notes, "Neural Networks 3", Ratio of weights:updates ("somewhere around 1e-3").
"""

USUAL = (1e-4, 1e-2)
"""The band around RULE: a factor of ten either way. TheDeepChecker (Ben Braiek and Khomh, 2023) warns below and, ten
times further up, at 1e-1."""

SHADED = "shaded: usual, a factor of ten around 1e-3"

COLUMNS = POINTS // 2
"""Bins, at most: one each two pixels on a wide screen, since each has a lowest and a highest."""

KINDS = ("min", "mean", "max")


def update_ratios(
    run: Run, theme: str = "light", *, first: int | None = None, last: int | None = None, marks: Sequence[Mark] = ()
) -> go.Figure:
    """Update ratios of a run's parameters from iteration `first` to `last`, a line and a band for each part."""
    found = bands_of(run, "update_ratio", first, last, columns=COLUMNS)
    low, middle, high = (found[kind] for kind in KINDS)
    return update_ratios_figure(low, middle, high, run.parts, theme, revision=run.name, marks=marks)


def update_ratios_figure(
    low: pd.DataFrame,
    middle: pd.DataFrame,
    high: pd.DataFrame,
    parts: Mapping[str, str],
    theme: str = "light",
    *,
    revision: str | None = None,
    marks: Sequence[Mark] = (),
) -> go.Figure:
    """Median update ratio of each part's parameters on a logarithmic axis, and the band from lowest to highest.

    The usual band, a factor of ten either way of 1e-3, lies behind (RULE, USUAL).

    low, middle, high : iteration x parameter, lowest, mean and highest of bins (see `windows.bands_of`); the same table
                        three times where each row is an iteration
    parts             : part of the network by parameter
    """
    chosen = theme_named(theme)
    bands = part_bands(low, middle, high, parts)
    if not bands:
        return message(TITLE, "This run holds no update ratios: give the recorder the optimiser.", chosen)
    figure = blank(TITLE, chosen, revision)
    height = foot(band[name] for band in bands.values() for name in band)
    for part, band in bands.items():
        figure.add_traces(_traces(part, band, chosen.parts[part], height))
    positive = [band[name].where(band[name] > 0) for band in bands.values() for name in band]
    figure.update_layout(
        hovermode="x unified",
        xaxis_title_text="iteration",
        yaxis={"title": {"text": "update ratio"}, **log_axis([*positive, pd.Series(USUAL)])},
        **_usual(chosen),
    )
    iterations, whole = middle.attrs.get("iterations"), middle.attrs.get("width", 1) == 1
    drawn = points_note((band["median"] for band in bands.values()), iterations)
    note(figure, joined(_zeros(bands, whole), SHADED, drawn))
    return add_marks(figure, marks, chosen)


def part_bands(
    low: pd.DataFrame, middle: pd.DataFrame, high: pd.DataFrame, parts: Mapping[str, str]
) -> dict[str, dict[str, pd.Series]]:
    """The "lowest", "median" and "highest" ratio of each part's parameters by iteration; parts without any left out.

    Finite ones; NaN where none of the part's parameters had one.
    """
    found = {}
    for part in PART_ORDER:
        names = [name for name in middle.columns if parts.get(name, "other") == part]
        tables = [table[names].where(np.isfinite(table[names])) for table in (low, middle, high)]
        band = {
            "lowest": tables[0].min(axis=1),
            "median": tables[1].median(axis=1),
            "highest": tables[2].max(axis=1),
        }
        if names and band["median"].notna().any():
            found[part] = band
    return found


def _traces(part: str, band: Mapping[str, pd.Series], colour: str, height: float) -> list[go.Scatter]:
    median = band["median"]
    drawn = [_band(part, band, colour, height), line(median.where(median > 0), part, colour, width=2)]
    drawn[1].legendgroup = part
    return [*drawn, zeros(median, part, colour, height)] if (median == 0).any() else drawn


def _band(part: str, band: Mapping[str, pd.Series], colour: str, height: float) -> go.Scatter:
    """From the lowest to the highest, a closed shape for each stretch without a gap; zero lies at the axis' foot."""
    table = pd.DataFrame({"low": band["lowest"], "high": -band["highest"]}).dropna()
    thinned = min_binned(table, COLUMNS)[0].dropna() if len(table) > COLUMNS else table
    iterations = thinned.index.to_numpy(dtype=np.float64)
    low, high = thinned["low"].clip(lower=height).to_numpy(), (-thinned["high"]).clip(lower=height).to_numpy()
    starts = np.searchsorted(iterations, breaks(iterations, COLUMNS))
    pieces = [np.split(values, starts) for values in (iterations, low, high)]
    x = [np.concatenate([at, at[::-1], [np.nan]]) for at in pieces[0]]
    y = [np.concatenate([up, down[::-1], [np.nan]]) for down, up in zip(pieces[1], pieces[2], strict=True)]
    return go.Scatter(
        x=np.concatenate(x)[:-1],
        y=np.concatenate(y)[:-1].astype(np.float32),
        name=f"{part}: lowest to highest",
        mode="lines",
        line={"color": colour, "width": 0},
        fill="toself",
        opacity=0.25,
        hoverinfo="skip",
        legendgroup=part,
        showlegend=False,
    )


def _usual(theme: Theme) -> dict[str, Any]:
    """The usual band behind the lines, RULE in it."""
    across = {"xref": "paper", "x0": 0, "x1": 1, "yref": "y", "layer": "below"}
    band = {"type": "rect", "y0": USUAL[0], "y1": USUAL[1], "fillcolor": theme.muted, "opacity": 0.12, **across}
    rule = {"type": "line", "y0": RULE, "y1": RULE, "line": {"color": theme.muted, "width": 1.2, "dash": "dash"}}
    shapes = [{**band, "line": {"width": 0}, "name": "usual"}, {**rule, **across, "name": "rule of thumb"}]
    return {"shapes": shapes}


def _zeros(bands: Mapping[str, Mapping[str, pd.Series]], whole: bool) -> str:
    counts = {part: int((band["median"] == 0).sum()) for part, band in bands.items()}
    said = ", ".join(f"{part} ({times(count, whole)})" for part, count in counts.items() if count)
    return f"median exactly zero, ▼ below the axis: {said}" if said else ""
