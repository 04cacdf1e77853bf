"""The charts of a sweep: scores, rates, gradients and losses by epoch, and seconds an epoch, its runs on one axis."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pandas as pd
import plotly.graph_objects as go

from ..runs.run import Run
from ..runs.sweep_table import Row, summaries
from .figures.groups import COLOURS, DASHES
from .figures.lines import add_level, label_level, line, log_axis
from .figures.theme import Theme, blank, message, note, theme_named
from .figures.windows import lines_of
from .tables import column

HEIGHT = 500
"""Pixels; a legend of twelve runs stands beside the lines."""

LEGEND = {"orientation": "v", "x": 1.01, "y": 1, "yanchor": "top", "font": {"size": 11}}


@dataclass(frozen=True)
class Drawn:
    """A run of a sweep in its charts: one colour a variant, one dash for what is chosen of the grid.

    per_epoch : iterations
    """

    row: Row
    run: Run
    per_epoch: float
    colour: int
    dash: str

    def by_epoch(self, series: pd.Series) -> pd.Series:
        """A series by iteration as one by epoch."""
        return pd.Series(series.to_numpy(), series.index.to_numpy(dtype=float) / self.per_epoch)


def drawn_of(rows: Sequence[Row]) -> list[Drawn]:
    """The runs that can be drawn, in the order of the rows; those that recorded nothing are left out."""
    variants = list(dict.fromkeys(row.variant for row in rows))
    choices = list(dict.fromkeys(" ".join(row.choices.values()) for row in rows))
    found = []
    for row in rows:
        if not row.iterations:
            continue
        run = Run(row.run)
        train = run.info["data"]["counts"]["train"]
        dash = DASHES[choices.index(" ".join(row.choices.values())) % len(DASHES)]
        per_epoch = float(train // run.recipe["batch_size"])
        found.append(Drawn(row, run, per_epoch, variants.index(row.variant), dash))
    return found


def lwlrap_by_epoch(rows: Sequence[Row], theme: str = "light") -> go.Figure:
    """Score of every run at each evaluation, between the levels of a net that has learnt nothing."""
    chosen, drawn = theme_named(theme), drawn_of(rows)
    series = [(one, one.by_epoch(column(one.run.evaluations, "lwlrap"))) for one in drawn]
    figure = _lines("lwlrap by epoch", series, chosen, "lwlrap")
    if not series:
        return figure
    last = max(float(values.index.to_numpy()[-1]) for _, values in series)
    levels = {"chance": [one.row.chance for one in drawn], "constant level": [one.row.constant for one in drawn]}
    for name, values in levels.items():
        level = float(pd.Series(values).mean())  # the clips are the same, but for a split by seed
        if not math.isnan(level):
            label = f"{name} {level:.3f}"
            add_level(figure, level, label, chosen, (0.0, last), dash="dot" if name == "chance" else "dash")
            label_level(figure, level, label, above=name != "chance")
    return figure


def rate_by_epoch(rows: Sequence[Row], theme: str = "light") -> go.Figure:
    """The learning rate of every iteration; runs of one schedule lie on each other."""
    series = [(one, one.by_epoch(_signal(one.run, "learning_rate"))) for one in drawn_of(rows)]
    return _lines("Learning rate by epoch", series, theme_named(theme), "learning rate")


def gradient_by_epoch(rows: Sequence[Row], theme: str = "light") -> go.Figure:
    """The gradient norm, mean over the tensors, of every iteration."""
    series = [(one, one.by_epoch(_signal(one.run, "gradient_norm_mean"))) for one in drawn_of(rows)]
    return _lines("Gradient norm by epoch", series, theme_named(theme), "mean of the tensors' gradient norms", log=True)


def loss_by_epoch(rows: Sequence[Row], theme: str = "light") -> go.Figure:
    """The loss of every evaluation."""
    series = [(one, one.by_epoch(column(one.run.evaluations, "loss"))) for one in drawn_of(rows)]
    return _lines("Evaluation loss by epoch", series, theme_named(theme), "loss / nats", log=True)


def seconds_by_run(rows: Sequence[Row], theme: str = "light") -> go.Figure:
    """Seconds that an epoch of training takes, a bar each."""
    chosen = theme_named(theme)
    known = [one for one in summaries(rows) if not math.isnan(one.seconds_per_epoch)]
    if not known:
        return message("Seconds an epoch", "No run recorded how long its iterations took.", chosen)
    figure = blank("Seconds an epoch", chosen, height=HEIGHT)
    variants = list(dict.fromkeys(row.variant for row in rows))
    owner = {row.label: variants.index(row.variant) for row in rows}
    colours = COLOURS[chosen.name]
    figure.add_trace(
        go.Bar(
            x=[one.seconds_per_epoch for one in known],
            y=[one.label for one in known],
            orientation="h",
            marker_color=[colours[owner[one.label] % len(colours)] for one in known],
            text=[f"{one.seconds_per_epoch:.1f} s" for one in known],
            name="seconds an epoch",
            hovertemplate="%{x:.2f} s<extra>%{y}</extra>",
        )
    )
    figure.update_layout(
        xaxis_title_text="seconds of training an epoch", yaxis={"autorange": "reversed"}, showlegend=False
    )
    note(figure, "median iteration by iterations an epoch")
    return figure


def _signal(run: Run, name: str) -> pd.Series:
    """A signal by iteration, the lowest and highest of each bin of a long run; empty where it was not recorded."""
    return column(lines_of(run, [name]), name)


def _lines(
    title: str, series: Sequence[tuple[Drawn, pd.Series]], theme: Theme, unit: str, *, log: bool = False
) -> go.Figure:
    """A line a run, those of one label in one entry of the legend."""
    recorded = [(one, values) for one, values in series if values.notna().any()]
    if not recorded:
        return message(title, "No run of this sweep recorded it.", theme, HEIGHT)
    figure = blank(title, theme, height=HEIGHT)
    figure.add_traces(list(_traces(recorded, theme)))
    axis = (
        log_axis([values for _, values in recorded]) if log and all((v.dropna() > 0).all() for _, v in recorded) else {}
    )
    figure.update_layout(
        xaxis_title_text="epoch", yaxis={"title": {"text": unit}, **axis}, legend=LEGEND, hovermode="closest"
    )
    return figure


def _traces(recorded: Sequence[tuple[Drawn, pd.Series]], theme: Theme) -> Iterator[go.Scatter]:
    seen: set[str] = set()
    colours = COLOURS[theme.name]
    for one, values in recorded:
        trace = line(values, one.row.label, colours[one.colour % len(colours)], dash=one.dash)
        trace.update(legendgroup=one.row.label, showlegend=one.row.label not in seen)
        seen.add(one.row.label)
        yield trace
