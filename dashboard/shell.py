"""What stands around every page: header, run bar, tabs, the one cursor, and what the page is asked for."""

from collections.abc import Sequence
from typing import Any

import dash_mantine_components as dmc
from dash import ClientsideFunction, Dash, Input, Output, State, dcc, html

from ..diagnostics.attribution.names import BASELINES, METHODS
from .addresses import HOME

SCHEME = "color-scheme"
"""Id of the store that says "light" or "dark" (None until the browser has said)."""

SWITCH = "color-scheme-switch"
URL = "url"
PAGE = "page"

PULSE = "pulse"
RECORDED = "recorded"
"""Id of the store that changes whenever something new is recorded in the page's runs, or said about them."""

SEEN = "seen"
"""Id of the store with what the run bar speaks of."""

BAR = "run-bar"
CONTROLS = "controls"

ITERATION = "iteration"
"""Id of the one slider; AT is where the cursor stands for figures, None the newest."""

NUMBER = "iteration-number"
AT = "at"
CURSOR = "cursor"
"""Id of the store with what there is to stand at: the last iteration, the newest, the evaluations."""

ZOOM = "zoom"
"""Id of the store with the first and last iteration that are shown; None is all."""

CLIP, CLASS, MAP = "clip", "class", "map"
ALL_CLASSES = "all"
METHOD, BASELINE, BESIDE, BESIDE_AT = "method", "baseline", "beside", "beside_iteration"

CHOICES = (CLIP, CLASS, MAP, METHOD, BASELINE, BESIDE, BESIDE_AT)
"""Ids of the choices, by which the address says them, in the order of `KEPT` in assets/cursor.js."""

LIVE_MS, ENDED_MS = 2000, 10_000
"""How often a page asks whether there is something new: while its run trains, and after."""

INDEX = """<!DOCTYPE html>
<html lang="en">
  <head>
    {%metas%}
    <title>{%title%}</title>
    {%favicon%}
    {%css%}
  </head>
  <body>
    <div id="first-paint"><img src="/assets/mark.svg" width="26" height="26" alt=""><b>Flatline</b>
      <span>reading the runs …</span></div>
    {%app_entry%}
    <footer>{%config%}{%scripts%}{%renderer%}</footer>
  </body>
</html>"""
"""What the browser shows while the scripts load: something at once."""


def layout(logs: str) -> dmc.MantineProvider:
    """The frame of every page. The switch's choice is kept in the browser (Mantine's own storage)."""
    stores = [dcc.Store(id=name) for name in (SCHEME, SEEN, RECORDED, AT, CURSOR, ZOOM)]
    return dmc.MantineProvider(
        [
            dcc.Location(id=URL, refresh="callback-nav"),
            *stores,
            dcc.Interval(id=PULSE, interval=LIVE_MS),
            dmc.AppShell(
                [
                    dmc.AppShellHeader(_header(logs)),
                    dmc.AppShellMain([html.Div(id=BAR), controls(), html.Div(id=PAGE)]),
                ],
                header={"height": 52},
                padding="md",
            ),
        ],
        defaultColorScheme="auto",
        theme={"primaryColor": "blue", "defaultRadius": "md", "fontFamily": "inherit"},
    )


def controls() -> html.Div:
    """The cursor and the choices, shown where a page has use for them (assets/flatline.css)."""
    return html.Div(
        [
            dmc.Text("Iteration", size="sm", fw=600),
            _step("«", "previous-evaluation", "Previous evaluation (Shift and Page Down)"),
            _step("‹", "previous-iteration", "One iteration back (←; with Shift, ten)"),
            html.Div(dmc.Slider(id=ITERATION, min=0, max=1, value=0, updatemode="drag", size="sm"), className="slide"),
            _step("›", "next-iteration", "One iteration on (→; with Shift, ten)"),
            _step("»", "next-evaluation", "Next evaluation (Shift and Page Up)"),
            dmc.NumberInput(id=NUMBER, min=0, value=0, w=110, size="xs", hideControls=True, debounce=300),
            html.Button("show all", id="unzoom", className="step", title="Back to all iterations", hidden=True),
            _choice(CLIP, "Clip", "clip-choice", "the first pinned"),
            _choice(CLASS, "Class", "class-choice", ALL_CLASSES),
            _choice(MAP, "Map", "map-choice", "all"),
            _choice(METHOD, "Method", "method-choice", "integrated-gradients", [method.name for method in METHODS]),
            _choice(BASELINE, "From", "baseline-choice", "silence", list(BASELINES), width=120),
            _choice(BESIDE, "Beside", "beside-choice", "no other run"),
            _choice(BESIDE_AT, "at", "beside-choice", "the same iteration", width=150),
        ],
        id=CONTROLS,
        className="card controls",
        hidden=True,
    )


def register(app: Dash) -> None:
    """What the browser does by itself: the scheme, the cursor, and the address that keeps it all."""

    def browser(function: str, *places: Any, **more: Any) -> None:
        app.clientside_callback(ClientsideFunction("flatline", function), *places, **more)

    # The scheme is what Mantine has set on the page; the switch's own property lags behind it after a load.
    browser("watch_scheme", Output(SCHEME, "data"), Input(URL, "pathname"), State(SCHEME, "id"))
    reads = [Output(name, "data") for name in (AT, ZOOM)] + [Output(name, "value") for name in CHOICES]
    browser("read_address", *reads, Input(URL, "href"))
    browser(
        "place_cursor",
        Output(ITERATION, "value"),
        Output(ITERATION, "max"),
        Output(NUMBER, "value"),
        Output(NUMBER, "max"),
        Input(AT, "data"),
        Input(CURSOR, "data"),
    )
    browser("slid", Input(ITERATION, "value"))
    browser("slid", Input(NUMBER, "value"))
    browser("write_address", Input(AT, "data"), Input(ZOOM, "data"), *(Input(name, "value") for name in CHOICES))


def _header(logs: str) -> dmc.Group:
    mark = html.Img(src="/assets/mark.svg", width=26, height=26, alt="")
    home = dcc.Link(dmc.Group([mark, dmc.Text("Flatline", fw=700, size="lg")], gap=8), href=HOME, className="home-link")
    folder = dmc.Text(logs, size="sm", c="dimmed", truncate=True, maw=600)
    toggle = dmc.ColorSchemeToggle(id=SWITCH, lightIcon="☀", darkIcon="☾", size="lg", variant="default")
    return dmc.Group(
        [dmc.Group([home, folder], gap="lg"), toggle], h="100%", px="md", justify="space-between", wrap="nowrap"
    )


def _step(sign: str, name: str, title: str) -> html.Button:
    spoken: dict[str, Any] = {"aria-label": title}
    return html.Button(sign, id=name, className="step", title=title, type="button", **spoken)


def _choice(
    name: str, label: str, class_name: str, without: str, options: Sequence[str] = (), width: int = 190
) -> dmc.Group:
    select = dmc.Select(
        id=name, data=list(options), size="xs", w=width, searchable=True, clearable=True, placeholder=without
    )
    return dmc.Group([dmc.Text(label, size="sm", fw=600), select], gap=6, className=class_name, wrap="nowrap")
