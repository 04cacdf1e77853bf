"""The page of all runs: a table to sort and filter, and the way to each run's vitals."""

import hashlib
from pathlib import Path
from typing import Any

import dash_ag_grid as dag
import dash_mantine_components as dmc
import pandas as pd
from dash import Dash, Input, Output, State, dcc, no_update

from ...runs.listing import Listing
from ..addresses import run_address
from ..captions import CONSTANT_LEVEL
from ..shell import URL
from .runs_columns import COLUMN_DEFAULTS, COLUMNS, GRID_THEME

TABLE = "runs-table"
PULSE = "runs-pulse"
SEEN = "runs-seen"
EMPTY = "runs-empty"
FILLED = "runs-filled"

INTERVAL_MS = 2000
ROW_PX = 40

FIRST_COMMANDS = "flatline demo\nflatline train story-attention --data ROOT"


def layout(listing: Listing) -> dmc.Stack:
    """The page as it is now; it goes on filling itself."""
    rows = table_rows(listing.table())
    return dmc.Stack(
        [
            dcc.Interval(id=PULSE, interval=INTERVAL_MS),
            dcc.Store(id=SEEN, data=fingerprint(rows)),
            dmc.Box(_filled(rows), id=FILLED, display="block" if rows else "none"),
            dmc.Box(_empty(listing.logs), id=EMPTY, display="none" if rows else "block"),
        ]
    )


def register(app: Dash, listing: Listing) -> None:
    """The callbacks of this page."""

    @app.callback(
        Output(TABLE, "rowData"),
        Output(TABLE, "style"),
        Output(SEEN, "data"),
        Output(FILLED, "display"),
        Output(EMPTY, "display"),
        Input(PULSE, "n_intervals"),
        State(SEEN, "data"),
        prevent_initial_call=True,
    )
    def grow(_: int, seen: str) -> tuple[Any, ...]:
        return changed_rows(listing, seen)

    @app.callback(Output(URL, "pathname"), Input(TABLE, "cellClicked"), prevent_initial_call=True)
    def open_run(cell: dict[str, Any] | None) -> Any:
        return run_address(cell["rowId"]) if cell else no_update


def changed_rows(listing: Listing, seen: str | None) -> tuple[Any, ...]:
    """Rows, the table's size, their fingerprint, and which of table and invitation shows; no updates without news."""
    rows = table_rows(listing.table())
    mark = fingerprint(rows)
    if mark == seen:
        return (no_update,) * 5
    return rows, table_style(len(rows)), mark, "block" if rows else "none", "none" if rows else "block"


def table_style(rows: int) -> dict[str, str]:
    """As high as the rows, or as the window lets it be."""
    return {"height": f"min(calc(100vh - 200px), {rows * ROW_PX + 110}px)", "minHeight": "240px"}


def table_rows(runs: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows of the listing as the grid takes them: None where something is missing, times by this machine's clock."""
    return [{str(name): _plain(value) for name, value in row.items()} for row in runs.to_dict("records")]


def _plain(value: Any) -> Any:
    if pd.isna(value):
        return None
    return f"{value.to_pydatetime().astimezone():%Y-%m-%d %H:%M}" if isinstance(value, pd.Timestamp) else value


def fingerprint(rows: list[dict[str, Any]]) -> str:
    """Changes when a row does."""
    return hashlib.sha1(repr(rows).encode(), usedforsecurity=False).hexdigest()


def _filled(rows: list[dict[str, Any]]) -> dmc.Stack:
    heading = dmc.Title("Runs", order=2)
    text = dmc.Text("Click a run to see its vital signs. Columns sort and filter.", c="dimmed", size="sm")
    note = dmc.Text(CONSTANT_LEVEL, size="sm", c="dimmed", maw="120ch")
    return dmc.Stack([dmc.Group([heading, text], align="baseline"), _grid(rows), note], gap="sm")


def _empty(logs: Path) -> dmc.Paper:
    return dmc.Paper(
        dmc.Stack(
            [
                dmc.Title("No runs yet", order=3),
                dmc.Text(f"There is no recorded run under {logs}. Make one, and it appears here by itself:"),
                dmc.Code(FIRST_COMMANDS, block=True),
                dmc.Text(
                    "The first trains on embedded data, the second on a data set of your own. Is this the wrong "
                    "folder? Start the dashboard with another: flatline dashboard LOGS",
                    c="dimmed",
                    size="sm",
                ),
            ]
        ),
        className="card",
        p="xl",
        maw=760,
        mx="auto",
        mt="xl",
    )


def _grid(rows: list[dict[str, Any]]) -> dag.AgGrid:
    return dag.AgGrid(
        id=TABLE,
        rowData=rows,
        columnDefs=COLUMNS,
        defaultColDef=COLUMN_DEFAULTS,
        getRowId="params.data.name",
        dashGridOptions={"theme": {"function": GRID_THEME}, "rowHeight": ROW_PX, "tooltipShowDelay": 300},
        style=table_style(len(rows)),
    )
