"""The listing of runs as a terminal shows it; like all reading, without torch."""

from pathlib import Path

import pandas as pd
from rich import box
from rich.table import Table

from .display import SCORES, number, stdout
from .listing import list_runs


def print_runs(logs: Path, *, as_json: bool) -> None:
    """The runs under `logs`, newest first: a table, or JSON with absolute paths."""
    runs = list_runs(logs)
    if as_json:
        runs.insert(1, "run", [str((logs / name).resolve()) for name in runs["name"]])
        print(runs.to_json(orient="records", date_format="iso", indent=1))
    elif runs.empty:
        print(f"There are no runs in {logs}. Make some with `flatline demo` or `flatline train RECIPE --data ROOT`.")
    else:
        stdout().print(runs_table(runs))


def runs_table(runs: pd.DataFrame) -> Table:
    """The listing for a terminal."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for heading in ("run", "state", "architecture", "head", "loss", "iterations", "lwlrap", "chance", "constant"):
        table.add_column(heading, justify="right" if heading in ("iterations", *SCORES) else "left", no_wrap=True)
    for run in runs.astype(object).where(runs.notna(), None).to_dict("records"):
        words = [run["name"], run["status"], run["architecture"], run["head"], run["loss_kind"], run["iterations"]]
        scores = [number(run[score]) for score in SCORES]
        table.add_row(*("–" if word is None else str(word) for word in words), *scores)
    return table
