"""The page of all runs: what became of each, a table to sort and filter, and the ways to look closer."""

import hashlib
from pathlib import Path
from typing import Any

import dash_ag_grid as dag
import dash_mantine_components as dmc
import pandas as pd
from dash import Dash, Input, Output, State, dcc, html, no_update

from ...runs.listing import Listing
from ..addresses import compare_address, run_address
from ..captions import CONSTANT_LEVEL
from ..judging import Judge
from .runs_columns import COLUMN_DEFAULTS, COLUMNS, GRID_THEME, SELECTION

TABLE = "runs-table"
PULSE = "runs-pulse"
SEEN = "runs-seen"
EMPTY = "runs-empty"
FILLED = "runs-filled"

COMPARE = "compare-link"

JUDGED = ("verdict", "cause", "since", "gradient", "why")
"""What a row has of the run's judgement."""

INTERVAL_MS = 2000
ROW_PX = 40

FIRST_COMMANDS = "flatline demo\nflatline train story-attention --data ROOT"


def layout(listing: Listing, judge: Judge) -> dmc.Stack:
    """The page as it is now; it goes on filling itself."""
    rows = judged_rows(listing, judge)
    return dmc.Stack(
        [
            dcc.Interval(id=PULSE, interval=INTERVAL_MS),
            dcc.Store(id=SEEN, data=fingerprint(rows)),
            dmc.Box(_filled(rows), id=FILLED, display="block" if rows else "none"),
            dmc.Box(_empty(listing.logs), id=EMPTY, display="none" if rows else "block"),
        ]
    )


def register(app: Dash, listing: Listing, judge: Judge) -> None:
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
        return changed_rows(listing, judge, seen)

    @app.callback(
        Output(COMPARE, "children"),
        Output(COMPARE, "href"),
        Output(COMPARE, "className"),
        Input(TABLE, "selectedRows"),
        prevent_initial_call=True,
    )
    def compared(chosen: list[dict[str, Any]] | None) -> tuple[str, str, str]:
        return comparison([row["name"] for row in chosen or []])


def comparison(names: list[str]) -> tuple[str, str, str]:
    """Words, address and look of the way to a comparison of the marked runs."""
    if len(names) < 2:
        return "Mark two runs or more to compare them", "#", "compare-link off"
    return f"Compare {len(names)} runs", compare_address(names), "page-link compare-link"


def changed_rows(listing: Listing, judge: Judge, seen: str | None) -> tuple[Any, ...]:
    """Rows, the table's size, their fingerprint, and which of table and invitation shows; no updates without news."""
    rows = judged_rows(listing, judge)
    mark = fingerprint(rows)
    if mark == seen:
        return (no_update,) * 5
    return rows, table_style(len(rows)), mark, "block" if rows else "none", "none" if rows else "block"


def table_style(rows: int) -> dict[str, str]:
    """As high as the rows, or as the window lets it be."""
    return {"height": f"min(calc(100vh - 200px), {rows * ROW_PX + 110}px)", "minHeight": "240px"}


def judged_rows(listing: Listing, judge: Judge) -> list[dict[str, Any]]:
    """The rows with verdict, cause, gradient curve and address; a verdict that is still to come is "…"."""
    rows = arms_under_their_runs(table_rows(listing.table()))
    for row in rows:
        judged = judge.row(row["name"]) or {"verdict": "…"} if row["status"] != "unreadable" else {}
        found = {"verdict": "not judged", "why": judged["error"]} if "error" in judged else judged
        row |= {"address": run_address(row["name"])} | {name: found.get(name) for name in JUDGED}
    return rows


def arms_under_their_runs(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows with each arm of a trial below the run that it is an arm of, by name: what was tried on top comes next.

    An arm of a run that is not there, or that is an arm itself, stays where it is.
    """
    there = {row["name"] for row in rows if row["arm_of"] is None}
    arms: dict[str, list[dict[str, Any]]] = {}
    for row in sorted(rows, key=lambda row: str(row["name"])):
        if row["arm_of"] in there:
            arms.setdefault(row["arm_of"], []).append(row | {"is_arm": True})
    own = [row | {"is_arm": False} for row in rows if row["arm_of"] not in there]
    return [one for row in own for one in (row, *arms.get(str(row["name"]), ()))]


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
    text = dmc.Text("A click on a name opens the run. Columns sort and filter.", c="dimmed", size="sm")
    words, address, look = comparison([])
    compare = html.A(words, id=COMPARE, href=address, className=look)
    note = dmc.Text(CONSTANT_LEVEL, size="sm", c="dimmed", maw="120ch")
    return dmc.Stack([dmc.Group([heading, text, compare], align="baseline"), _grid(rows), note], gap="sm")


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
        dashGridOptions={
            "theme": {"function": GRID_THEME},
            "rowHeight": ROW_PX,
            "tooltipShowDelay": 300,
            "rowSelection": SELECTION,
        },
        style=table_style(len(rows)),
    )
