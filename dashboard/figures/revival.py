"""What each change that was tried on copies of a run came to (`flatline revive`)."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from ...runs.revive.revived import Revived, stored_revival
from ...runs.revive.telling import changes, command, outcome
from ...runs.run import Run
from .theme import Theme, blank, message, note, theme_named

TITLE = "What was tried, and what it came to"

ROW_PX = 34

ROOM_PX = 160
"""Pixels of title, axis and note."""

NAME = 30
"""Characters of an arm's name in one line; longer ones break between their changes."""

ENDED_EARLY = 0.4
"""Opacity of the bar of an arm that was not gone on with; the words beside it say so, too."""

COLOURS = {
    "light": {"collapsed": "#d55e00", "at-risk": "#e69f00", "healthy": "#009e73", "undetermined": "#7a7f89"},
    "dark": {"collapsed": "#ff8a3d", "at-risk": "#f0c040", "healthy": "#2cc295", "undetermined": "#a3a9b6"},
}
"""By verdict; from Okabe and Ito's colour-blind-safe set, brighter on dark. Each bar says its verdict in words too."""


def revival(run: Run, theme: str = "light") -> go.Figure:
    """Scores of the arms of a run's last trials, beside chance, the constant level, and the run as it was."""
    revived = stored_revival(run.path)
    if revived is None:
        how = command(run.name, has_recipe=bool(run.recipe))
        return message(TITLE, f"No change was tried on this run yet. This tries some: {how}", theme_named(theme), 240)
    return revival_figure(revived, theme, revision=run.name)


def revival_figure(revived: Revived, theme: str = "light", *, revision: str | None = None) -> go.Figure:
    """A bar an arm, the run as it was on top, in the colour of its verdict; dots are the prescription's seeds.

    revived : what the trials came to; an arm without a score has no bar, and says why
    """
    chosen = theme_named(theme)
    arms = revived.arms
    figure = blank(TITLE, chosen, revision, height=ROOM_PX + ROW_PX * max(2, len(arms)))
    longest = max(arm["iterations"] for arm in arms)
    for verdict, colour in COLOURS[chosen.name].items():
        figure.add_traces(_bars(arms, verdict, colour, longest))
    place = next(place for place, arm in enumerate(arms) if arm["intervention"] == revived.best)
    figure.add_traces(_seeds(revived, place, chosen))
    _words(figure, arms, longest, chosen, {place: revived.high or 0.0})
    _levels(figure, arms[0], chosen)
    figure.update_yaxes(
        range=[len(arms) - 0.4, -0.6],
        tickvals=list(range(len(arms))),
        ticktext=[_label(arm["intervention"], is_best=arm["intervention"] == revived.best) for arm in arms],
        showgrid=False,
        ticks="",
    )
    tops = [arm["lwlrap"] for arm in arms if arm["lwlrap"] is not None] + [revived.high or 0.0]
    highest = max([*tops, 0.1])
    ticks = [tick for tick in np.round(np.arange(0, 1.01, 0.1), 1) if tick <= 1.2 * highest]
    figure.update_xaxes(title_text="lwlrap", range=[0, 1.5 * highest], tickvals=ticks)
    figure.update_layout(bargap=0.3, showlegend=False, barmode="overlay")
    pale = "pale: ended early · " if any(arm["iterations"] < longest for arm in arms) else ""
    dots = " · dots: seeds, their mean and its 95 % interval" if len(revived.seeds) > 1 else ""
    return note(figure, f"{pale}▸ prescribed{dots}" if revived.best != "unchanged" else pale.rstrip(" ·"))


def _bars(arms: Sequence[Mapping[str, Any]], verdict: str, colour: str, longest: int) -> list[go.Bar]:
    """The arms of one verdict."""
    of_it = [place for place, arm in enumerate(arms) if arm["verdict"] == verdict and arm["lwlrap"] is not None]
    if not of_it:
        return []
    given = [arms[place] for place in of_it]
    return [
        go.Bar(
            x=np.array([arm["lwlrap"] for arm in given]),
            y=np.array(of_it),
            orientation="h",
            name=verdict,
            marker={
                "color": colour,
                "opacity": [1.0 if arm["iterations"] == longest else ENDED_EARLY for arm in given],
            },
            customdata=[_hover(arm) for arm in given],
            hovertemplate=(
                "<b>%{customdata[0]}</b><br>lwlrap %{x:.3f} at %{customdata[2]:,}<br>%{customdata[1]}<br>"
                "%{customdata[3]}<extra></extra>"
            ),
        )
    ]


def _hover(arm: Mapping[str, Any]) -> list[Any]:
    carried = arm["rnn_share"]
    words = "what the RNN carries is not known" if carried is None else f"the RNN carries {carried:.0%}"
    return [changes(arm["intervention"]), outcome(arm), arm["iterations"], words]


def _seeds(revived: Revived, place: int, theme: Theme) -> list[go.Scatter]:
    """Each seed of the prescription, and their mean with its interval."""
    scores = [float(seed["lwlrap"]) for seed in revived.seeds]
    if len(scores) < 2 or revived.mean is None:
        return []
    dots = go.Scatter(
        x=np.array(scores),
        y=np.full(len(scores), place),
        mode="markers",
        name="seed",
        marker={"color": theme.plot, "size": 8, "line": {"color": theme.text, "width": 1.4}},
        customdata=[[seed["seed"]] for seed in revived.seeds],
        hovertemplate="seed %{customdata[0]}: lwlrap %{x:.3f}<extra></extra>",
    )
    if revived.low is None or revived.high is None:
        return [dots]
    mean = go.Scatter(
        x=[revived.mean],
        y=[place],
        mode="markers",
        name="mean of the seeds",
        marker={"symbol": "line-ns", "size": 16, "line": {"color": theme.text, "width": 2}},
        error_x={
            "array": [revived.high - revived.mean],
            "arrayminus": [revived.mean - revived.low],
            "color": theme.text,
            "thickness": 1.4,
        },
        hovertemplate="mean %{x:.3f}<extra></extra>",
    )
    return [mean, dots]


def _words(
    figure: go.Figure, arms: Sequence[Mapping[str, Any]], longest: int, theme: Theme, ends: Mapping[int, float]
) -> None:
    """Beside each bar its score, its verdict, and where it ended early.

    ends : by an arm's place, where what is drawn on its bar ends
    """
    for place, arm in enumerate(arms):
        end = max(arm["lwlrap"] or 0.0, ends.get(place, 0.0))
        at = {"x": end, "xref": "x", "xanchor": "left", "y": place, "yref": "y", "xshift": 10}
        score = "" if arm["lwlrap"] is None else f"<b>{arm['lwlrap']:.3f}</b> · "
        early = f" · to {arm['iterations']:,} only" if arm["iterations"] < longest and arm["verdict"] else ""
        figure.add_annotation(
            text=f"{score}{outcome(arm)}{early}", font={"size": 12, "color": theme.text}, bgcolor=theme.plot, **at
        )


def _levels(figure: go.Figure, unchanged: Mapping[str, Any], theme: Theme) -> None:
    """Chance and the constant level as lines; one text for both where they lie together."""
    known = {"chance": unchanged["chance"], "constant level": unchanged["constant"]}
    levels = {name: value for name, value in known.items() if value is not None}
    for value in levels.values():
        line = {"color": theme.muted, "dash": "dash", "width": 1.2}
        figure.add_shape(type="line", x0=value, x1=value, xref="x", y0=0, y1=1, yref="paper", line=line)
    if not levels:
        return
    text = ", ".join(f"{name} {value:.3f}" for name, value in levels.items())
    place = {"x": max(levels.values()), "xref": "x", "y": 1, "yref": "paper", "xanchor": "left", "yanchor": "bottom"}
    figure.add_annotation(text=text, name="levels", **place)


def _label(name: str, *, is_best: bool) -> str:
    text = changes(name, " + ") if len(name) <= NAME else changes(name, "<br>+ ")
    return f"<b>▸ {text}</b>" if is_best and name != "unchanged" else text
