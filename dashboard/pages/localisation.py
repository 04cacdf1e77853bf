"""Where the net listens: a clip's maps over its log-mel, its sound, and how the maps grew."""

from pathlib import Path
from typing import Any

import dash_mantine_components as dmc
from dash import Dash, Input, Output, State, html
from dash.exceptions import PreventUpdate

from ...runs.kept_clips import kept_clip, kept_clips
from ...runs.run import Run
from .. import figures
from ..addresses import parse, run_path
from ..audio import audio_address
from ..judging import Judge
from ..shell import CLIP, RECORDED, URL
from . import figure_page
from .cards import Card, placed
from .figure_page import reason

AUDIO = "clip-audio"
SOUND = "clip-sound"
"""Id of what holds the player, which stands on another page too and so is no callback's own part."""

PLAYER = "player"
SAID = "clip-said"

CARDS = (
    Card("localisation-map", figures.localisation_map, axis="time", wide=True, height=760),
    Card("clip-scores", figures.clip_scores, axis=""),
    Card("map-growth", figures.map_growth),
)


def layout(run: Run) -> dmc.Stack:
    """The page, its figures still to come."""
    return dmc.Stack([player(), placed(CARDS)], gap="md")


def player() -> html.Div:
    """The sound of the chosen clip and what is known of it; hidden until there is one."""
    keys = dmc.Text("Space plays; a click into the map goes there.", size="sm", c="dimmed")
    sound = html.Div([html.Div(_audio(None), id=SOUND), keys], id=PLAYER, className="player")
    return html.Div([sound, html.Div(id=SAID)], className="card pad")


def _audio(source: str | None) -> html.Audio:
    return html.Audio(id=AUDIO, controls=True, preload="auto", src=source)


def register(app: Dash, logs: Path, judge: Judge) -> None:
    """The callbacks of this page: the sound, and one a figure."""

    @app.callback(
        Output(SOUND, "children"),
        Output(PLAYER, "hidden"),
        Output(SAID, "children"),
        Input(RECORDED, "data"),
        Input(CLIP, "value"),
        State(URL, "pathname"),
    )
    def hear(_: str, clip: str | None, path: str | None) -> tuple[Any, bool, Any]:
        address = parse(path or "/")
        if address is None or address.run is None:
            raise PreventUpdate
        found = run_path(logs, address.run)
        source, is_silent, said = (None, True, None) if found is None else heard(found, clip)
        return _audio(source), is_silent, said

    figure_page.register(app, logs, judge, CARDS)


def heard(path: Path, clip: str | None) -> tuple[Any, bool, Any]:
    """Address of a clip's sound, whether the player hides, and what is known of the clip."""
    try:
        run = Run(path)
        known = kept_clips(run)
        if not known:
            return None, True, _silent()
        name = clip if clip in known else known[0]
        kept = kept_clip(run, name)
        labels = "labels not kept" if kept.labels is None else ", ".join(kept.labels) or "no labels"
        length = "no sound kept" if kept.duration_s is None else f"{kept.duration_s:.1f} s"
        said = dmc.Text([html.B(name), f" · {length} · {labels}"], size="sm")
        return (audio_address(run.name, name) if kept.audio else None), not kept.audio, said
    except Exception as error:
        return None, True, dmc.Text(reason(error, "the clip"), size="sm", c="dimmed")


def _silent() -> dmc.Text:
    return dmc.Text(
        "This run kept no clips to listen to: flatline train keeps those that its recipe pins (pinned: 3).",
        size="sm",
        c="dimmed",
    )
