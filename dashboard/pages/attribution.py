"""What a net heard in one clip: attribution, maps and true onsets on one axis, and the sound of what it used."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import dash_mantine_components as dmc
import plotly.graph_objects as go
from dash import ClientsideFunction, Dash, Input, Output, State, ctx, dcc, html, set_props
from dash.exceptions import PreventUpdate

from ...diagnostics.attribution.names import METHODS
from ...diagnostics.errors import FlatlineError, RunError
from ...runs.attributed_clips import attributed_clip
from ...runs.attribution_store import Stored
from ...runs.checkpoint_list import checkpoint_iterations
from ...runs.listing import run_folders
from ...runs.run import Run
from .. import figures
from ..addresses import Address, parse, run_path
from ..attributing import Desk, Job, Request
from ..audio import audio_address, used_address
from ..chosen import Chosen
from ..figures.attribution_map import NO_INFORMATION, limit_of, of_chosen
from ..judging import Judge
from ..shell import AT, BESIDE, BESIDE_AT, CHOICES, CLASS, CLIP, METHOD, PULSE, RECORDED, URL
from . import attribution_content as content
from . import figure_page
from .attribution_choice import Side, checkpoints_near, first_of, hindrance, request_of, second_of, sides_of
from .cards import Card, card_of
from .figure_page import reason
from .localisation import AUDIO

SAID, TABLES, METHODS_KEPT, PAIR = "attribution-said", "attribution-tables", "attribution-methods", "attribution-pair"
COMPUTE, EVERY, CANCEL, ASKED = "compute", "compute-every", "compute-cancel", "compute-state"
WATCH, ANOTHER = "compute-watch", "another-clip"
PLAYER, SOUNDS, HEARD, HEARD_SAID = "sounds-player", "sounds", "heard", "heard-said"

THE_CLIP = {"value": "original", "label": "the clip"}

WATCH_MS = 250
"""How often a page asks what became of what it had computed, while it is."""

PICKED = {"iteration": Input(AT, "data"), **{name: Input(name, "value") for name in CHOICES if name != "map"}}


def _shown(place: int) -> Callable[..., go.Figure]:
    def of_run(
        run: Run,
        theme: str = "light",
        *,
        iteration: int | None = None,
        clip: str | None = None,
        class_name: str | None = None,
        method: str | None = None,
        baseline: str | None = None,
        beside: str | None = None,
        beside_iteration: str | None = None,
    ) -> go.Figure:
        asked = {"iteration": iteration, "clip": clip, "class": class_name, "method": method, "baseline": baseline}
        first = first_of(run, asked)
        if not beside:
            return of_chosen(first, theme)
        second = second_of(run.path.parent, first, beside, beside_iteration)
        chosen = (first, second.chosen)[place]
        if chosen is None:
            raise RunError(second.wrong)
        figure = of_chosen(chosen, theme, _shared_limit([first, second.chosen]))
        return figure.update_layout(title_text=_short_title(chosen))

    return of_run


def _short_title(chosen: Chosen) -> str:
    """What tells two columns apart; the rest is the same in both."""
    at = "" if chosen.iteration is None else f" · iteration {chosen.iteration:,}"
    nothing = f" · {NO_INFORMATION}" if chosen.stored is not None and not chosen.stored.informative else ""
    return f"{chosen.run.name}{at} · {chosen.class_name}{nothing}"


def _checks(place: int) -> Callable[..., go.Figure]:
    def of_run(
        run: Run,
        theme: str = "light",
        *,
        iteration: int | None = None,
        clip: str | None = None,
        class_name: str | None = None,
        method: str | None = None,
        baseline: str | None = None,
        beside: str | None = None,
        beside_iteration: str | None = None,
    ) -> go.Figure:
        asked = {"iteration": iteration, "clip": clip, "class": class_name, "method": method, "baseline": baseline}
        chosen = first_of(run, asked)
        if place:
            second = second_of(run.path.parent, chosen, beside or run.name, beside_iteration)
            if second.chosen is None:
                raise RunError(second.wrong)
            chosen = second.chosen
        return figures.attribution_checks(
            chosen.run,
            theme,
            iteration=chosen.iteration,
            clip=chosen.clip,
            class_name=chosen.class_name,
            method=chosen.method,
            baseline=chosen.baseline,
        )

    return of_run


def _shared_limit(pair: Sequence[Chosen | None]) -> float | None:
    """Where the colours of both columns end, so that one hue means one value; None where they have no common unit."""
    stored = [chosen.stored for chosen in pair if chosen is not None and chosen.stored is not None]
    if len({one.of for one in stored}) != 1:
        return None
    return max(limit_of(one.arrays()["attribution"]) for one in stored)


CARDS = (
    Card("attribution-map", _shown(0), axis="time", height=640),
    Card("attribution-map-beside", _shown(1), axis="time", height=640),
    Card("attribution-checks", _checks(0), axis=""),
    Card("attribution-checks-beside", _checks(1), axis=""),
)


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
        return _with_frame(watched(logs, desk, _name(path), picked, action, was_open=not still, pulse=pulse or 0))

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
            **_sounds(sides),
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


def _sounds(sides: Sequence[Side]) -> dict[str, Any]:
    """Where the clip and what was used of it are heard, what can be picked of these, and what is to be said of them."""
    chosen = sides[0].chosen
    if chosen is None or chosen.clip is None:
        return {"sounds": None, "silent": True, "heard_said": None}
    try:
        kept = attributed_clip(chosen.run, chosen.clip)
    except RunError as error:
        return {"sounds": None, "silent": True, "heard_said": _small(str(error))}
    if kept.audio is None:
        words = f"No sound is kept of clip {chosen.clip}, so there is nothing to listen to."
        return {"sounds": None, "silent": True, "heard_said": _small(words)}
    used = [(one, one.stored) for side in sides if (one := side.chosen) is not None and one.stored is not None]
    sources = {"clip": chosen.clip, "original": audio_address(chosen.run.name, chosen.clip)}
    options = [THE_CLIP]
    is_one_run = len({one.run.path for side in sides if (one := side.chosen) is not None}) == 1
    for key, (one, stored) in zip(("used", "beside"), used, strict=False):
        at = f" at {one.iteration:,}" if is_one_run else ""
        label = "what the net used" if len(sides) == 1 else f"what {one.run.name}{at} used"
        sources[key] = used_address(one.run.name, stored.file.stem)
        options.append({"value": key, "label": label})
    return {
        "sounds": sources,
        "silent": False,
        "heard": options,
        "heard_said": _heard_said([stored for _, stored in used]),
    }


def _heard_said(used: Sequence[Stored]) -> Any:
    words = (
        "What the net used: the clip through the positive cells of the attribution, those that hold half of it whole, "
        "the others in proportion."
    )
    if not used:
        words = "What the net used can be heard once its attribution is computed."
    if any(not one.informative for one in used):
        words += " An attribution that carries no information makes a sound all the same: it means as little."
    return _small(words)


def _small(words: str) -> dmc.Text:
    return dmc.Text(words, size="sm", c="dimmed")


def watched(
    logs: Path, desk: Desk, name: str, picked: Mapping[str, Any], action: Any, *, was_open: bool, pulse: int
) -> dict[str, Any]:
    """What becomes of what the page had computed, after what was asked of it now.

    action : id of the button that was pressed
    was_open : whether something was being computed when the page last looked
    pulse : how often the page has looked for news; once what was computed is there, it looks at once
    Returns as `told`.
    """
    try:
        sides = [side.chosen for side in sides_of(logs, name, picked) if side.chosen is not None]
    except FlatlineError as error:
        stopped = {"still": True, "compute": True, "every": True, "cancel": "none", "frame": {}}
        return {**stopped, "state": dmc.Text(str(error), size="sm", c="red")}
    wanted = "top" if picked.get(CLASS) == "top" else None
    single = [request_of(chosen, wanted) for chosen in sides]
    requests = [*filter(None, single), *filter(None, (request_of(chosen, wanted, every=True) for chosen in sides))]
    _act(desk, sides, single, requests, action)
    jobs = [job for request in requests if (job := desk.job(request)) is not None]
    is_open = any(job.is_open for job in jobs)
    missing = [one for one, chosen in zip(single, sides, strict=True) if one is not None and chosen.stored is None]
    if missing and not is_open:
        desk.warm(missing[0].run, missing[0].iteration)
    frame: dict[str, dict[str, Any]] = {METHOD: {"data": _methods(desk, sides)}}
    if was_open and not is_open:
        frame[PULSE] = {"n_intervals": pulse + 1}
    if name_of := _class_found(sides[0], jobs, picked.get(CLASS)):
        frame[CLASS] = {"value": name_of}
    return {
        "state": dmc.Stack([*_hindrances(sides), *map(_job, jobs)], gap=4, mt=6),
        "still": not is_open,
        "compute": is_open or not missing,
        "every": is_open or not any(single),
        "cancel": "inline-block" if is_open else "none",
        "frame": frame,
    }


def _class_found(chosen: Chosen, jobs: Sequence[Job], picked: str | None) -> str | None:
    """The class that was meant by the best-scored one, or by none, once it is known; None where it stays as it is."""
    computed = next((job.class_name for job in jobs if job.state == "done" and job.class_name), None)
    if picked == "top":
        return chosen.class_name or computed
    return computed if picked is None and chosen.class_name is None else None


def _act(
    desk: Desk, sides: Sequence[Chosen], single: Sequence[Request | None], requests: Sequence[Request], action: Any
) -> None:
    if action == COMPUTE:
        for chosen, request in zip(sides, single, strict=True):
            if request is not None and chosen.stored is None:
                desk.ask(request)
    elif action == EVERY:
        for request in requests:
            if len(request.methods) > 1:
                desk.ask(request)
    elif action == CANCEL:
        for request in requests:
            desk.cancel(request)


def _hindrances(sides: Sequence[Chosen]) -> list[Any]:
    said = []
    for chosen in sides:
        words = hindrance(chosen)
        if not words or chosen.stored is not None:
            continue
        near = checkpoints_near(chosen)
        ways = [_way(one) for one in near]
        said.append(dmc.Group([dmc.Text(words, size="sm"), *(ways if len(sides) == 1 else [])], gap=8))
    return said


def _way(iteration: int) -> html.Button:
    """A button that moves the cursor (assets/cursor.js)."""
    there: dict[str, Any] = {"data-iteration": str(iteration)}
    return html.Button(f"go to {iteration:,}", className="step", type="button", **there)


def _job(job: Job) -> Any:
    """What became of a request, in words."""
    where = f"{job.request.run.name} at {job.request.iteration:,}"
    if job.state == "waiting":
        words = "" if not job.ahead else f", {job.ahead} before it"
        return dmc.Group([dmc.Loader(size="xs"), dmc.Text(f"{where} waits{words} …", size="sm")], gap=8)
    if job.state == "running":
        share = 100 * job.done / max(job.of, 1)
        bar = dmc.Progress(value=max(share, 4), animated=True, w=220)
        return dmc.Group([bar, dmc.Text(f"{where}: {job.done} of {job.of} methods", size="sm")], gap=8)
    if job.state == "cancelled":
        return dmc.Text(f"{where}: cancelled.", size="sm", c="dimmed")
    if job.state == "failed":
        return dmc.Text(f"{where}: {job.said}", size="sm", c="var(--flatline-bad)")
    done = dmc.Text(f"{where}: done in {job.seconds:.1f} s.", size="sm", c="dimmed")
    refused = [dmc.Text(f"{why}.", size="sm", c="dimmed") for _, why in job.refused]
    return dmc.Stack([done, *refused], gap=2)


def _methods(desk: Desk, sides: Sequence[Chosen]) -> list[dict[str, str]]:
    """The methods that can be picked; of those that were found not to fit this network it is said."""
    refused = desk.refused(sides[0].run.path) if sides else {}
    more = {name: " (not for this network)" for name in refused}
    return [{"value": one.name, "label": f"{one.name}{more.get(one.name, '')}"} for one in METHODS]
