"""lwlrap by class at one iteration, sorted, beside what one fixed ranking of the classes would score."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from ...runs.run import Run
from ..tables import column
from .class_rows import batch_rows, near_batches, nothing_at, recorded_rows
from .lines import joined
from .one_ranking import SEVERAL, constant_ranking, other_labels, verdict
from .theme import Theme, blank, message, theme_named

TITLE = "lwlrap by class"

RUNNING = "running_lwlrap"

SOURCES = {"evaluation": "evaluation at", "batches": "batches up to"}
"""What the bars are of, as the title says it."""

MOST_BARS = 600
"""Bars in a figure, the best classes first; more would be narrower than a pixel."""

TOP_PX = 118
"""Room above the bars for title, verdict and legend."""

HEIGHT = 480
"""Pixels; the classes' names stand upright under the bars."""


def class_lwlrap(run: Run, theme: str = "light", *, iteration: int | None = None) -> go.Figure:
    """The lwlrap of every class at exactly one iteration: its evaluation's or, where it had none, its batches'.

    iteration : None is the newest evaluation's; one at which nothing was recorded gives a message that names the
        nearest
    """
    evaluated = recorded_rows(run.evaluation_lwlrap)
    at = int(evaluated.index[-1]) if iteration is None and len(evaluated) else iteration
    source, rows = "evaluation", evaluated[evaluated.index == at]
    if rows.empty:
        source, rows = "batches", batch_rows(run, RUNNING, at, at)
    if rows.empty:
        return message(TITLE, _nothing(run, evaluated, iteration), theme_named(theme))
    place = int(rows.index[-1])
    chance = chance_at(run.evaluations, place)
    return class_lwlrap_figure(rows.iloc[-1], theme, iteration=place, source=source, chance=chance, revision=run.name)


def class_lwlrap_figure(
    values: pd.Series,
    theme: str = "light",
    *,
    iteration: int,
    source: str = "evaluation",
    chance: float = np.nan,
    revision: str | None = None,
) -> go.Figure:
    """Bars of lwlrap by class from the best to the worst, with the line 1/rank of one ranking for all clips.

    Where a label shares its clip with others, which `chance` tells, one ranking lies above 1/rank; that line is drawn
    too (`constant_ranking`).

    values : (class,) lwlrap in [0, 1] by class name; NaN for a class without a positive clip
    source : "evaluation", or "batches" for the running lwlrap of the newest 50
    chance : lwlrap of a random ranking of clips with such labels; NaN is not known
    """
    chosen = theme_named(theme)
    bars = values.dropna().astype(float).sort_values(ascending=False, kind="stable")
    title = f"{TITLE}: {SOURCES[source]} iteration {iteration:,}"
    if bars.empty:
        return message(title, "No class had a positive clip there.", chosen)
    figure = blank(title, chosen, revision, height=HEIGHT)
    others = other_labels(chance, len(values))
    drawn = bars.iloc[:MOST_BARS]
    figure.add_trace(_bars(drawn, chosen))
    for name, line, dash in _levels(len(drawn), len(values), others, chance):
        figure.add_trace(_line(list(drawn.index), line, name, dash, chosen))
    say(figure, *verdict(bars.to_numpy(), len(values), others), chosen)
    below = _axis_title(values, bars, source, chance)
    figure.update_xaxes(title_text=below, type="category", tickangle=-90, tickfont_size=10, showgrid=False)
    figure.update_yaxes(title_text="lwlrap (1 is perfect)", range=[0, 1.02])
    return figure.update_layout(bargap=0.12, hovermode="x unified")


def say(figure: go.Figure, text: str, alarming: bool, theme: Theme) -> None:
    """Put a verdict of at most two lines under the title, where it can cover nothing."""
    font = {"size": 13, "color": theme.alarm if alarming else theme.text}
    figure.update_layout(title_subtitle={"text": text, "font": font}, margin_t=TOP_PX)


def chance_at(evaluations: pd.DataFrame, iteration: int) -> float:
    """The chance level of the evaluation at an iteration, else of the newest: it is the labels', and stays."""
    known = column(evaluations, "chance").dropna()
    if known.empty:
        return float("nan")
    exact = known.loc[known.index == iteration]
    return float((exact if len(exact) else known).iloc[-1])


def _bars(drawn: pd.Series, theme: Theme) -> go.Bar:
    hover = "%{y:.3f} (rank %{customdata})<extra>lwlrap</extra>"
    ranks = list(range(1, len(drawn) + 1))
    look = {"marker": {"color": theme.parts["conv"], "line": {"width": 0}}, "showlegend": False}
    return go.Bar(x=list(drawn.index), y=drawn.to_numpy(), customdata=ranks, name="lwlrap", hovertemplate=hover, **look)


def _levels(n_drawn: int, n_classes: int, others: float, chance: float) -> list[tuple[str, np.ndarray, str]]:
    """Name, height at each bar, and dash of the lines over the bars."""
    levels = [("1/rank: one fixed ranking for all clips", constant_ranking(n_drawn, n_classes, 0.0), "solid")]
    if others >= SEVERAL:
        line = constant_ranking(n_drawn, n_classes, others)
        levels = [
            ("1/rank, one label a clip", levels[0][1], "dot"),
            ("one fixed ranking, these labels", line, "solid"),
        ]
    if chance == chance:
        levels.append((f"chance {chance:.3f}: random ranking", np.full(n_drawn, chance), "dash"))
    return levels


def _line(classes: list[str], heights: np.ndarray, name: str, dash: str, theme: Theme) -> go.Scatter:
    colour = theme.text if name.startswith("chance") else theme.parts["rnn"]
    look = {"line": {"color": colour, "width": 2, "dash": dash}, "hovertemplate": "%{y:.3f}<extra>" + name + "</extra>"}
    return go.Scatter(x=classes, y=heights, name=name, mode="lines", **look)


def _axis_title(values: pd.Series, bars: pd.Series, source: str, chance: float) -> str:
    """What the bars are, and how many; under the names, where no name can cover it."""
    n_silent = len(values) - len(bars)
    return joined(
        "class, best first",
        f"{min(len(bars), MOST_BARS):,} of {len(values):,} classes",
        f"{n_silent:,} had no positive clip" if n_silent else "",
        "over the newest 50 iterations" if source == "batches" else "",
        "" if chance == chance else "not recorded: chance",
    )


def _nothing(run: Run, evaluated: pd.DataFrame, iteration: int | None) -> str:
    places = {"evaluations": list(evaluated.index)}
    places["batches"] = near_batches(run, RUNNING, iteration or 0)
    if iteration is None or not any(places.values()):
        return (
            "This run holds no lwlrap by class: pass logits= or probabilities= and target= to the recorder's step and "
            "evaluation, at level standard or above."
        )
    return nothing_at(iteration, places)
