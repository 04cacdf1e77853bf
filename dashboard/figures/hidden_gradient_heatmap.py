"""How much of the loss's gradient reaches the hidden state of each frame, as colour."""

import re
from collections.abc import Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from ...diagnostics.errors import unknown
from ...runs.run import Run
from .gradient_heatmap import colourbar, drawn_note, log_norms
from .lines import joined
from .marks import Mark, add_marks
from .sampling import COLUMNS, min_binned
from .theme import HEATMAP_COLOURS, VALUES, blank, message, note, theme_named
from .windows import binned_of

TITLE = "Gradient at the hidden state of each frame"

TOTAL, DIRECT = "hidden_gradient.", "hidden_gradient_direct."

WHAT = {TOTAL: "total dL/dh", DIRECT: "direct term of dL/dh only, no total recorded"}
"""The total is by way of that frame's output and of all that the RNN makes of its state in other frames."""

NOTHING = (
    "This run holds no hidden gradients: Flatline records them of nn.RNN, nn.GRU, nn.LSTM and their cells, while the "
    "model trains."
)

LAYER = re.compile(r"\.l\d+(_reverse)?$")

DECADES = (4, 10)
"""Powers of ten the colours span, at least and at most: along the frames a gradient may vanish far; ours."""

SPACING = 0.9
"""Quantile of the distances between measurements that a column is wide: most columns then hold one; ours."""


def hidden_gradient_heatmap(
    run: Run,
    theme: str = "light",
    *,
    rnn: str | None = None,
    first: int | None = None,
    last: int | None = None,
    marks: Sequence[Mark] = (),
) -> go.Figure:
    """Norm of dL/dh_t of one RNN of a run from iteration `first` to `last`: frames up, iterations across.

    rnn : path of its module, or one layer and direction of several (`gru.l0_reverse`); None is the first recorded
    Raises UnknownNameError for an RNN that the run has no hidden gradients of.
    """
    chosen = recorded_rnns(run)
    if rnn is not None and rnn not in chosen and TOTAL + rnn not in run.columns:
        raise unknown("RNN", rnn, chosen, f"hidden gradients of run {run.name}")
    if not chosen:
        return message(TITLE, NOTHING, theme_named(theme))
    name = chosen[0] if rnn is None else rnn
    norms, kind = _norms(run, name, first, last)
    return hidden_gradient_heatmap_figure(
        norms, theme, rnn=name, direct=kind == DIRECT, revision=f"{run.name} {name}", marks=marks
    )


def recorded_rnns(run: Run) -> list[str]:
    """Paths of the RNNs whose hidden gradients a run holds, in the order they were recorded; without single layers."""
    names = [column.removeprefix(kind) for column in run.columns for kind in (DIRECT, TOTAL) if column.startswith(kind)]
    return list(dict.fromkeys(name for name in names if not LAYER.search(name) or LAYER.sub("", name) not in names))


def hidden_gradient_heatmap_figure(
    norms: pd.DataFrame,
    theme: str = "light",
    *,
    rnn: str = "",
    direct: bool = False,
    columns: int = COLUMNS,
    revision: str | None = None,
    marks: Sequence[Mark] = (),
) -> go.Figure:
    """Norms of dL/dh_t on a logarithmic colour scale, each column the lowest of a bin of iterations.

    norms  : iteration x frame bin, early frames first; NaN was not measured. Or bins, see `windows.binned_of`
    rnn    : the RNN's path, for the title
    direct : whether they are the direct term alone
    """
    chosen = theme_named(theme)
    title = f"{TITLE}: {rnn}" if rnn else TITLE
    measured = norms.dropna(how="all")
    if measured.empty:
        return message(title, "No hidden gradient was measured in these iterations.", chosen)
    binned, width = min_binned(measured, columns, SPACING)
    figure = blank(title, chosen, revision)
    figure.add_traces([_heatmap(binned, width)])
    figure.update_layout(
        xaxis={
            "title": {"text": "iteration"},
            "showgrid": False,
            "autorangeoptions": {"include": [float(norms.index[0]) - 0.5, float(norms.index[-1]) + 0.5]},  # as others
        },
        yaxis={
            "title": {"text": f"frame bin of {norms.shape[1]}, early at the bottom"},
            "range": [-0.5, norms.shape[1] - 0.5],
            "showgrid": False,
        },
        plot_bgcolor=chosen.missing,
        margin={"r": 96, "t": 56},
    )
    note(figure, joined(WHAT[DIRECT if direct else TOTAL], _drawn(norms, len(measured), binned, width)))
    return add_marks(figure, marks, chosen)


def _norms(run: Run, rnn: str, first: int | None, last: int | None) -> tuple[pd.DataFrame, str]:
    """The total where it was measured in these iterations, else the direct term; and which."""
    total = binned_of(run, TOTAL + rnn, first, last)
    if total.notna().to_numpy().any():
        return total, TOTAL
    direct = binned_of(run, DIRECT + rnn, first, last)
    return (direct, DIRECT) if direct.notna().to_numpy().any() else (total, TOTAL)


def _heatmap(binned: pd.DataFrame, width: int) -> go.Heatmap:
    norms = binned.to_numpy(dtype=np.float32).T
    logs, low, high = log_norms(norms, DECADES)
    lowest = "" if width == 1 else f", lowest of {width:,}"
    return go.Heatmap(
        x=binned.index.to_numpy(dtype=np.float64) + (width - 1) / 2,
        y=np.arange(len(norms)),
        z=np.clip(logs, low, high),
        customdata=norms,
        meta=VALUES,
        name="hidden gradient",
        zmin=low,
        zmax=high,
        colorscale=HEATMAP_COLOURS,
        colorbar=colourbar(low, high, "norm of dL/dh (L2)"),
        hoverongaps=False,
        hovertemplate=f"frame bin %{{y}}<br>iteration %{{x:,.0f}}{lowest}<br>norm %{{customdata:.2e}}<extra></extra>",
    )


def _drawn(norms: pd.DataFrame, measured: int, binned: pd.DataFrame, width: int) -> str:
    """How much is drawn; of rows it is known in how many something was measured."""
    iterations = norms.attrs.get("iterations", len(norms))
    if norms.attrs.get("width", 1) > 1 or measured == len(norms):
        return drawn_note(len(binned), width, iterations)
    lowest = f" (each column the lowest in {width:,})" if width > 1 else ""
    return f"measured at {measured:,} of {iterations:,} iterations{lowest}"
