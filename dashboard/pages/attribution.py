"""What a net heard in one clip: attribution, maps and true onsets on one axis, and the sound of what it used."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dash_mantine_components as dmc
from dash import ClientsideFunction, Dash, Input, Output, State, ctx, dcc, html, set_props
from dash.exceptions import PreventUpdate

from ...runs.checkpoint_list import checkpoint_iterations
from ...runs.listing import run_folders
from ...runs.run import Run
from ..addresses import Address, parse, run_path
from ..attributing import Desk
from ..chosen import Chosen
from ..judging import Judge
from ..shell import AT, BESIDE, BESIDE_AT, CHOICES, CLASS, CLIP, PULSE, RECORDED, URL
from . import attribution_content as content
from . import figure_page
from .attribution_choice import sides_of
from .attribution_figures import CARDS
from .attribution_sounds import THE_CLIP, sounds_of
from .attribution_watch import CANCEL, COMPUTE, EVERY, Watch, watched
from .cards import card_of
from .figure_page import reason
from .localisation import AUDIO

SAID, TABLES, METHODS_KEPT, PAIR = "attribution-said", "attribution-tables", "attribution-methods", "attribution-pair"
ASKED, WATCH, ANOTHER = "compute-state", "compute-watch", "another-clip"
PLAYER, SOUNDS, HEARD, HEARD_SAID = "sounds-player", "sounds", "heard", "heard-said"

WATCH_MS = 250
"""How often a page asks what became of what it had computed, while it is."""

PICKED = {"iteration": Input(AT, "data"), **{name: Input(name, "value") for name in CHOICES if name != "map"}}


def layout(run: Run) -> html.Div:
    """The page, its figures still to come."""
    first, second, checks, other_checks = (card_of(card) for card in CARDS)
    kept = html.Div(id=METHODS_KEPT, className="beside-checks")
    parts = [
        html.Div([html.Div(id=SAID), _asking()], className="card pad"),
        _player(),
        html.Div([first, html.Div(second, className="second")], className="columns"),
        html.Div([checks, html.Div(other_checks, className="second"), kept], className="columns two checks"),
        html.Div(id=TABLES),
        dcc.Store(id=SOUNDS),
        dcc.Interval(id=WATCH, interval=WATCH_MS, disabled=True),
    ]
    return html.Div(parts, id=PAIR, className="attribution-page")


def _asking() -> html.Div:
    """What computes, and stops it."""
    buttons = [
        dmc.Button("Compute", id=COMPUTE, size="xs"),
        dmc.Button("By every method", id=EVERY, size="xs", variant="default"),
        dmc.Button("Cancel", id=CANCEL, size="xs", variant="light", color="red"),
    ]
    another = dmc.TextInput(
        id=ANOTHER, size="xs", w=260, placeholder="another clip of the data, by name", debounce=True
    )
    return html.Div([dmc.Group([*buttons, another], gap="sm"), html.Div(id=ASKED)], className="asking")


def _player() -> html.Div:
    audio = html.Audio(id=AUDIO, controls=True, preload="auto")
    heard = dmc.SegmentedControl(id=HEARD, data=[THE_CLIP], value="original", size="xs")
    keys = dmc.Text("Space plays; a click into the map goes there; B changes what is heard.", size="sm", c="dimmed")
    return html.Div(
        [html.Div([audio, heard], id=PLAYER, className="player"), html.Div(id=HEARD_SAID), keys], className="card pad"
    )


def register(app: Dash, logs: Path, judge: Judge, desk: Desk) -> None:
    """The callbacks of this page: its words, what is computed, its sound, and one a figure."""
    looks = Watch()

    @app.callback(
        output={
            "said": Output(SAID, "children"),
            "methods": Output(METHODS_KEPT, "children"),
            "tables": Output(TABLES, "children"),
            "pair": Output(PAIR, "data-pair"),
            "is_kept": Output(PAIR, "data-kept"),
            "sounds": Output(SOUNDS, "data"),
            "heard": Output(HEARD, "data"),
            "heard_said": Output(HEARD_SAID, "children"),
            "silent": Output(PLAYER, "hidden"),
        },
        inputs={"picked": PICKED, "_": Input(RECORDED, "data"), "path": State(URL, "pathname")},
    )
    def tell(picked: dict[str, Any], _: str, path: str | None) -> dict[str, Any]:
        return _with_frame(told(logs, _name(path), picked))

    @app.callback(
        output={
            "state": Output(ASKED, "children"),
            "still": Output(WATCH, "disabled"),
            "compute": Output(COMPUTE, "disabled"),
            "every": Output(EVERY, "disabled"),
            "cancel": Output(CANCEL, "display"),
        },
        inputs={
            "picked": PICKED,
            "clicks": [Input(COMPUTE, "n_clicks"), Input(EVERY, "n_clicks"), Input(CANCEL, "n_clicks")],
            "_": [Input(WATCH, "n_intervals"), Input(RECORDED, "data")],
            "path": State(URL, "pathname"),
            "still": State(WATCH, "disabled"),
            "pulse": State(PULSE, "n_intervals"),
        },
    )
    def watch(
        picked: dict[str, Any], clicks: list[int | None], _: Any, path: str | None, still: bool, pulse: int | None
    ) -> dict[str, Any]:
        action = ctx.triggered_id if any(clicks) else None
        given = {"was_open": not still, "pulse": pulse or 0, "watch": looks}
        return _with_frame(watched(logs, desk, _name(path), picked, action, **given))

    @app.callback(Output(ANOTHER, "value"), Input(ANOTHER, "value"), State(CLIP, "data"), prevent_initial_call=True)
    def name_clip(name: str | None, known: list[str] | None) -> str:
        if not name or not name.strip():
            raise PreventUpdate
        set_props(CLIP, {"data": list(dict.fromkeys([*(known or []), name.strip()])), "value": name.strip()})
        return ""

    app.clientside_callback(
        ClientsideFunction("flatline", "hear"), Input(SOUNDS, "data"), Input(HEARD, "value"), prevent_initial_call=True
    )
    figure_page.register(app, logs, judge, CARDS)


def _with_frame(answer: dict[str, Any]) -> dict[str, Any]:
    """An answer without what of it is of the frame, which is set here: the frame is there on every page, and a callback
    of parts that are not would be one of parts that are missing.
    """
    for name, properties in answer.pop("frame").items():
        set_props(name, properties)
    return answer


def _name(path: str | None) -> str:
    """The run that the page is of."""
    address: Address | None = parse(path or "/")
    if address is None or address.page != "attribution" or address.run is None:
        raise PreventUpdate
    return address.run


def told(logs: Path, name: str, picked: Mapping[str, Any]) -> dict[str, Any]:
    """All that the page says in words of what was picked, and where its sounds are.

    Returns values of the page's own parts, and under "frame" properties of the frame's by id.
    """
    empty = {
        "methods": None,
        "tables": None,
        "pair": "no",
        "is_kept": "no",
        "sounds": None,
        "heard_said": None,
        "silent": True,
    }
    empty |= {"heard": [THE_CLIP], "frame": {}}
    try:
        sides = sides_of(logs, name, picked)
        run = Run(logs / name)
        kept = [side for side in sides if side.chosen is not None and side.chosen.stored is not None]
        said = html.Div([content.verdict(side, is_alone=len(sides) == 1) for side in sides], className="columns")
        frame = {
            CLASS: {"data": _classes(sides[0].chosen), "placeholder": _placeholder(sides[0].chosen)},
            BESIDE: {"data": [path.name for path in run_folders(logs)]},
            BESIDE_AT: {"data": _iterations(logs, picked.get(BESIDE))},
        }
        return {
            **empty,
            "said": said,
            "methods": content.methods(sides),
            "tables": dmc.Stack([content.scores(run), content.kept(run)], gap="md"),
            "pair": "yes" if len(sides) > 1 else "no",
            "is_kept": "yes" if kept else "no",
            "frame": frame,
            **sounds_of(sides),
        }
    except Exception as error:
        return {**empty, "said": dmc.Alert(reason(error, "the attribution"), color="red")}


def _placeholder(chosen: Chosen | None) -> str:
    """What stands where no class is picked: the one that is shown."""
    return (chosen.class_name if chosen is not None else None) or "its first label"


def _classes(chosen: Chosen | None) -> list[dict[str, str]]:
    """The classes that can be picked, the clip's own first and marked."""
    if chosen is None:
        return []
    true = [name for name in chosen.run.classes if name in chosen.labels]
    rest = [name for name in chosen.run.classes if name not in true]
    marked = [{"value": name, "label": f"● {name}"} for name in true]
    top = [{"value": "top", "label": "the best-scored"}] if "top" not in rest else []
    return [*marked, *top, *({"value": name, "label": name} for name in rest)]


def _iterations(logs: Path, beside: str | None) -> list[str]:
    path = run_path(logs, beside)
    return [] if path is None else [str(one) for one in checkpoint_iterations(path)]
