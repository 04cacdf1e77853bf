"""The listing of runs as a terminal shows it; like all reading, without torch."""

from pathlib import Path
from typing import Any

import pandas as pd
from rich.table import Table
from rich.text import Text

from ..diagnostics.errors import RunError
from .addresses import LOGS
from .display import SCORES, fitted, number, stdout
from .listing import UNREADABLE, list_runs

GIVEN_UP = {"loss": 18, "head": 24, "architecture": 24, "iterations": 12, "state": 12}
"""Columns that a narrow terminal does not show, and for how long a name each makes room (see `fitted`)."""


def print_runs(logs: Path | None, *, as_json: bool) -> None:
    """The runs under `logs`, newest first: a table, or JSON with absolute paths.

    logs : None is the usual folder, which need not be there yet
    Raises RunError for a folder that is named and is none.
    """
    logs = LOGS if logs is None else _folder(logs)
    runs = list_runs(logs)
    if as_json:
        runs.insert(1, "run", [str((logs / name).resolve()) for name in runs["name"]])
        print(runs.to_json(orient="records", date_format="iso", indent=1))
    elif runs.empty:
        print(f"There are no runs in {logs}. Make some with `flatline demo` or `flatline train RECIPE --data ROOT`.")
    else:
        console = stdout()
        console.print(runs_table(runs, console.width))
        for run in runs.to_dict("records"):
            if run["status"] == UNREADABLE:
                console.print(Text(f"{run['name']} is {UNREADABLE}: {run['reason']}"), soft_wrap=True)


def runs_table(runs: pd.DataFrame, width: int) -> Table:
    """The listing for a terminal of that many characters."""
    rows = runs.astype(object).where(runs.notna(), None).to_dict("records")
    fields = {
        "run": "name",
        "state": "status",
        "architecture": "architecture",
        "head": "head",
        "loss": "loss_kind",
        "iterations": "iterations",
    }
    columns = {heading: [_word(row[field]) for row in rows] for heading, field in fields.items()}
    columns |= {score: [Text(number(row[score])) for row in rows] for score in SCORES}
    return fitted(columns, width, given_up=GIVEN_UP, right=("iterations", *SCORES))


def _word(value: Any) -> Text:
    return Text("–" if value is None else str(value))


def _folder(logs: Path) -> Path:
    if logs.is_dir():
        return logs
    what = "is a file" if logs.exists() else "does not exist"
    raise RunError(f"{logs} {what}; give the folder that holds the runs")
