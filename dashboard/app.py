"""The Dash application over one folder of runs."""

import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pandas as pd
from dash import Dash, Input, Output

from ..runs.listing import Listing
from ..runs.places import place
from ..runs.run import Run
from . import audio, memory, shell
from .addresses import parse, run_path
from .attributing import Desk
from .judging import Judge
from .pages import attribution, classes, compare, diagnosis, localisation, run_bar, runs, unknown, vitals
from .pages.figure_page import reason
from .serving import bound

RUN_LAYOUTS: dict[str, Callable[[Run], Any]] = {
    "vitals": vitals.layout,
    "classes": classes.layout,
    "localisation": localisation.layout,
    "attribution": attribution.layout,
    "diagnosis": diagnosis.layout,
}

PRELOADED = """<script>
      if (/^.(run|compare)/.test(location.pathname)) {
        const href = "/_dash-component-suites/plotly/package_data/plotly.min.js";
        document.head.append(Object.assign(document.createElement("link"), { rel: "preload", as: "script", href }));
      }
    </script>"""
"""Five megabytes that Dash would ask for only when the page with its first figure is there."""


class SharedListing(Listing):
    """The runs of one folder for many threads: who asks while another reads waits for what that one finds."""

    def __init__(self, logs: Path) -> None:
        super().__init__(logs)
        self._guard = threading.Lock()

    def table(self) -> pd.DataFrame:
        """The table of `list_runs` as it is now."""
        with self._guard:
            return super().table()


def create_app(
    logs: Path, judge: Judge | None = None, listing: Listing | None = None, desk: Desk | None = None
) -> Dash:
    """The dashboard over the runs in a folder; everything it serves lies on this machine.

    logs    : the folder of runs; it may be empty or not be there yet
    judge   : who says what became of them; None makes one
    listing : of the same folder; None makes one
    desk    : who computes attributions; None makes one
    """
    logs = place(logs)
    judge = judge or Judge(logs)
    app = Dash(
        __name__,
        title="Flatline",
        update_title="",
        serve_locally=True,
        index_string=shell.INDEX.replace("{%css%}", f"{{%css%}}{PRELOADED}"),
        assets_ignore=r"^report\.",  # of reports alone, and their style makes every change of a page slow
        suppress_callback_exceptions=True,  # pages come in by address, so their parts are not there at the start
    )
    listing = listing or SharedListing(logs)
    app.layout = shell.layout(str(logs))
    audio.register(app.server, logs)
    shell.register(app)
    run_bar.register(app, logs, judge)
    runs.register(app, listing, judge)
    for page in (vitals, classes, localisation, diagnosis, compare):
        page.register(app, logs, judge)
    attribution.register(app, logs, judge, desk or Desk())

    @app.callback(
        Output(shell.PAGE, "children"),
        Input(shell.URL, "pathname"),
        Input(shell.URL, "search"),
    )
    def show(path: str | None, search: str | None) -> Any:
        return page_at(path or "/", logs, listing, judge, search)

    return app


def page_at(path: str, logs: Path, listing: Listing, judge: Judge, search: str | None = None) -> Any:
    """The page of an address; for an unknown one, a page that says what there is."""
    address = parse(path, search)
    if address is None:
        return unknown.page_layout(path)
    if address.page == "runs":
        return runs.layout(listing, judge)
    if address.page == "compare":
        return compare.layout(logs, address)
    folder = run_path(logs, address.run)
    if folder is None:
        return unknown.run_layout(logs, address.run)
    try:
        return RUN_LAYOUTS[address.page](Run(folder))
    except Exception as error:
        return unknown.unreadable_layout(folder.name, reason(error, folder.name))


def serve(logs: Path, host: str = "127.0.0.1", port: int = 8050, ready: Callable[[str], None] | None = None) -> None:
    """Serve the dashboard over the runs in `logs` until interrupted.

    port  : 0 takes any free one
    ready : called with the address once the port is the server's
    Raises FlatlineError if the port cannot be had.
    """
    memory.spare()
    judge, listing, desk = Judge(logs), SharedListing(place(logs)), Desk()
    app = create_app(logs, judge, listing, desk)
    try:
        with bound(app.server, host, port) as server:
            threading.Thread(target=_read_ahead, args=(listing,), name="flatline listing", daemon=True).start()
            if ready is not None:
                ready(f"http://{host}:{server.port}/")
            server.serve_forever()
    finally:
        judge.close()
        desk.close()


def _read_ahead(listing: Listing) -> None:
    """Read the runs while a browser opens; what cannot be read is said by the page that shows it."""
    with suppress(Exception):
        listing.table()
