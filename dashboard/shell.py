"""What stands around every page: header, light/dark switch, the place of the page."""

import dash_mantine_components as dmc
from dash import ClientsideFunction, Dash, Input, Output, State, dcc, html

from .addresses import HOME

SCHEME = "color-scheme"
"""Id of the store that says "light" or "dark" (None until the browser has said)."""

SWITCH = "color-scheme-switch"
URL = "url"
PAGE = "page"


def layout(logs: str) -> dmc.MantineProvider:
    """The frame of every page. The switch's choice is kept in the browser (Mantine's own storage)."""
    return dmc.MantineProvider(
        [
            dcc.Location(id=URL, refresh="callback-nav"),
            dcc.Store(id=SCHEME),
            dmc.AppShell(
                [dmc.AppShellHeader(_header(logs)), dmc.AppShellMain(html.Div(id=PAGE))],
                header={"height": 52},
                padding="md",
            ),
        ],
        defaultColorScheme="auto",
        theme={"primaryColor": "blue", "defaultRadius": "md", "fontFamily": "inherit"},
    )


def register(app: Dash) -> None:
    """The scheme is what Mantine has set on the page; the switch's own property lags behind it after a load."""
    app.clientside_callback(
        ClientsideFunction("flatline", "watch_scheme"),
        Output(SCHEME, "data"),
        Input(URL, "pathname"),
        State(SCHEME, "id"),
    )


def _header(logs: str) -> dmc.Group:
    mark = html.Img(src="/assets/mark.svg", width=26, height=26, alt="")
    home = dcc.Link(dmc.Group([mark, dmc.Text("Flatline", fw=700, size="lg")], gap=8), href=HOME, className="home-link")
    folder = dmc.Text(logs, size="sm", c="dimmed", truncate=True, maw=600)
    toggle = dmc.ColorSchemeToggle(id=SWITCH, lightIcon="☀", darkIcon="☾", size="lg", variant="default")
    return dmc.Group(
        [dmc.Group([home, folder], gap="lg"), toggle], h="100%", px="md", justify="space-between", wrap="nowrap"
    )
