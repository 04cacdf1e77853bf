"""lwlrap of the evaluations beside what no learning at all would score."""

import pandas as pd
import plotly.graph_objects as go

from ...runs.run import Run
from ..tables import column
from .lines import add_level, joined, label_level, line, missing_note, points_note
from .theme import blank, message, note, theme_named

TITLE = "lwlrap of the evaluations"

LEVELS = {"chance": "chance {:.3f} (random ranking)", "constant": "constant level {:.3f} (one ranking for all clips)"}

DASHES = {"chance": "dot", "constant": "dash"}


def lwlrap(run: Run, theme: str = "light") -> go.Figure:
    """The lwlrap of a run's evaluations."""
    return lwlrap_figure(run.evaluations, theme, revision=run.name)


def lwlrap_figure(evaluations: pd.DataFrame, theme: str = "light", *, revision: str | None = None) -> go.Figure:
    """The lwlrap and lrap by iteration on an axis from 0 to 1, with chance and the constant level drawn in.

    evaluations : iteration x (lwlrap, lrap, chance, constant)
    """
    chosen = theme_named(theme)
    recorded = {name: column(evaluations, name) for name in ("lwlrap", "lrap")}
    scores = {name: series for name, series in recorded.items() if series.notna().any()}
    if not scores:
        return message(TITLE, "This run holds no evaluation: lwlrap is there after the first one.", chosen)
    figure = blank(TITLE, chosen, revision)
    styles = {
        "lwlrap": {"colour": chosen.parts["conv"], "width": 2.6},
        "lrap": {"colour": chosen.parts["attention"], "width": 1},
    }
    for name, series in scores.items():
        figure.add_trace(line(series, name, **styles[name]))
    figure.update_xaxes(title_text="iteration", rangemode="tozero")
    figure.update_yaxes(title_text="score (1 is perfect)", range=[0, 1.02])
    figure.update_layout(hovermode="x unified")
    levels = last_levels(evaluations)
    for name, value in levels.items():
        label = LEVELS[name].format(value)
        add_level(figure, value, label, chosen, (0.0, float(evaluations.index[-1])), dash=DASHES[name])
        label_level(figure, value, label, above=value == max(levels.values()))
    missing = missing_note(name for name in ("lwlrap", "lrap", *LEVELS) if name not in {*scores, *levels})
    return note(figure, joined(missing, points_note(scores.values())))


def last_levels(evaluations: pd.DataFrame) -> dict[str, float]:
    """Chance and constant level of the last evaluation that has them; a level that none has is left out."""
    known = {name: column(evaluations, name).dropna() for name in LEVELS}
    return {name: float(series.iloc[-1]) for name, series in known.items() if len(series)}
