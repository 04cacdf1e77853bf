"""The Dash application over one folder of runs."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from dash import Dash, Input, Output

from ..runs.listing import Listing
from ..runs.places import place
from . import shell
from .addresses import parse
from .pages import runs, unknown, vitals
from .serving import bound


def create_app(logs: Path) -> Dash:
    """The dashboard over the runs in a folder; everything it serves lies on this machine.

    logs : the folder of runs; it may be empty or not be there yet
    """
    logs = place(logs)
    app = Dash(
        __name__,
        title="Flatline",
        update_title="",
        serve_locally=True,
        suppress_callback_exceptions=True,  # pages come in by address, so their parts are not there at the start
    )
    listing = Listing(logs)
    app.layout = shell.layout(str(logs))
    shell.register(app)
    runs.register(app, listing)
    vitals.register(app, logs)

    @app.callback(Output(shell.PAGE, "children"), Input(shell.URL, "pathname"))
    def show(path: str | None) -> Any:
        return page_at(path or "/", logs, listing)

    return app


def page_at(path: str, logs: Path, listing: Listing) -> Any:
    """The page of an address; for an unknown one, a page that says what there is."""
    address = parse(path)
    if address is None:
        return unknown.page_layout(path)
    if address.page == "runs":
        return runs.layout(listing)
    if address.page == "vitals":
        return vitals.layout(logs, address.run)
    return unknown.page_layout(path)


def serve(logs: Path, host: str = "127.0.0.1", port: int = 8050, ready: Callable[[str], None] | None = None) -> None:
    """Serve the dashboard over the runs in `logs` until interrupted.

    port  : 0 takes any free one
    ready : called with the address once the port is the server's
    Raises FlatlineError if the port cannot be had.
    """
    with bound(create_app(logs).server, host, port) as server:
        if ready is not None:
            ready(f"http://{host}:{server.port}/")
        server.serve_forever()
