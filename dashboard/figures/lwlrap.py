"""lwlrap of the evaluations beside what no learning at all would score."""

from collections.abc import Sequence

import pandas as pd
import plotly.graph_objects as go

from ...runs.run import Run
from ..tables import column
from .lines import add_level, joined, label_level, line, missing_note, points_note
from .marks import Mark, add_marks
from .theme import blank, message, note, theme_named
from .windows import around, span_of_run

TITLE = "lwlrap of the evaluations"

LEVELS = {"chance": "chance {:.3f} (random ranking)", "constant": "constant level {:.3f} (one ranking for all clips)"}

DASHES = {"chance": "dot", "constant": "dash"}


def lwlrap(
    run: Run, theme: str = "light", *, first: int | None = None, last: int | None = None, marks: Sequence[Mark] = ()
) -> go.Figure:
    """The lwlrap of a run's evaluations from iteration `first` to `last`, and one more on either side."""
    evaluations = run.evaluations
    levels = last_levels(evaluations)
    scores, span = around(evaluations, first, last), span_of_run(run, first, last)
    return lwlrap_figure(scores, theme, levels=levels, span=span, revision=run.name, marks=marks)


def lwlrap_figure(
    evaluations: pd.DataFrame,
    theme: str = "light",
    *,
    levels: dict[str, float] | None = None,
    span: tuple[float, float] | None = None,
    revision: str | None = None,
    marks: Sequence[Mark] = (),
) -> go.Figure:
    """The lwlrap and lrap by iteration on an axis from 0 to 1, with chance and the constant level drawn in.

    evaluations : iteration x (lwlrap, lrap, chance, constant)
    levels      : chance and constant; None is those of the last of the evaluations
    span        : first and last iteration of the axis; None is from 0 to the last evaluation
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
    figure.add_traces([line(series, name, **styles[name]) for name, series in scores.items()])
    figure.update_layout(
        hovermode="x unified",
        xaxis={"title": {"text": "iteration"}, "rangemode": "tozero"},
        yaxis={"title": {"text": "score (1 is perfect)"}, "range": [0, 1.02]},
    )
    span = span or (0.0, float(evaluations.index[-1]))
    levels = last_levels(evaluations) if levels is None else levels
    for name, value in levels.items():
        label = LEVELS[name].format(value)
        add_level(figure, value, label, chosen, span, dash=DASHES[name])
        label_level(figure, value, label, above=value == max(levels.values()))
    missing = missing_note(name for name in ("lwlrap", "lrap", *LEVELS) if name not in {*scores, *levels})
    note(figure, joined(missing, points_note(scores.values())))
    return add_marks(figure, marks, chosen, span=span)


def last_levels(evaluations: pd.DataFrame) -> dict[str, float]:
    """Chance and constant level of the last evaluation that has them; a level that none has is left out."""
    known = {name: column(evaluations, name).dropna() for name in LEVELS}
    return {name: float(series.iloc[-1]) for name, series in known.items() if len(series)}
