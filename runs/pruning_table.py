"""`flatline runs prune`: lists what would go, asks, and does it."""

import sys
from collections.abc import Callable
from pathlib import Path

from rich.table import Table
from rich.text import Text

from ..diagnostics.errors import RunError
from .addresses import LOGS
from .display import fitted, stdout
from .pruning import Choice, Doomed, Spared, chosen, delete

GIVEN_UP = {"ended": 18, "deleted": 12}


def prune(logs: Path | None, choice: Choice, *, dry_run: bool, yes: bool, ask: Callable[[str], str] = input) -> int:
    """Print what would go and how much that frees, and delete it once that is agreed to; returns how many runs went.

    Raises RunError where nobody can be asked and `yes` is not given, and for a folder that is none.
    """
    logs = LOGS if logs is None else logs
    if not logs.is_dir():
        raise RunError(f"{logs} {'is a file' if logs.exists() else 'does not exist'}; give the folder of the runs")
    doomed, spared = chosen(logs, choice)
    _say(doomed, spared)
    if not doomed or dry_run:
        return 0
    if not yes and not _agreed(doomed, ask):
        print("Nothing was deleted.")
        return 0
    faults = []
    for run in doomed:
        try:
            delete(run)
        except RunError as error:
            faults.append((run, str(error)))
    gone = [run for run in doomed if run not in [fault[0] for fault in faults]]
    print(f"{_what(gone)} deleted." if gone else "Nothing was deleted.")
    if faults:
        raise RunError("; ".join(why for _, why in faults))
    return len(gone)


def pruning_table(doomed: list[Doomed], width: int) -> Table:
    """The runs and what they free, for a terminal of that many characters."""
    columns = {
        "run": [Text(run.path.name) for run in doomed],
        "state": [Text(run.status) for run in doomed],
        "ended": [Text(f"{run.ended.astimezone():%Y-%m-%d %H:%M}") for run in doomed],
        "deleted": [Text(", ".join(run.parts) or "everything") for run in doomed],
        "size": [Text(in_bytes(run.size)) for run in doomed],
    }
    return fitted(columns, width, given_up=GIVEN_UP, right=("size",))


def in_bytes(size: int) -> str:
    """A size in words.

    >>> in_bytes(999), in_bytes(1_234), in_bytes(5_600_000_000)
    ('999 B', '1.2 kB', '5.6 GB')
    """
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= factor:
            return f"{size / factor:.1f} {unit}"
    return f"{size} B"


def _say(doomed: list[Doomed], spared: list[Spared]) -> None:
    console = stdout()
    for run in spared:
        console.print(Text(f"left alone: {run.name} ({run.why})"), soft_wrap=True)
    if doomed:
        console.print(pruning_table(doomed, console.width))
        console.print(Text(f"{_what(doomed)}: {in_bytes(sum(run.size for run in doomed))}"))
    else:
        console.print("No run is to be pruned.")


def _what(doomed: list[Doomed]) -> str:
    runs = f"{len(doomed)} run{'s' if len(doomed) > 1 else ''}"
    return f"{' and '.join(doomed[0].parts)} of {runs}" if doomed[0].parts else runs


def _agreed(doomed: list[Doomed], ask: Callable[[str], str]) -> bool:
    if not sys.stdin.isatty():
        raise RunError(f"{_what(doomed)} would be deleted and nobody can be asked; give --yes, or --dry-run to look")
    try:
        return ask(f"Delete {_what(doomed)} for good? [y/N] ").strip().lower() in ("y", "yes")
    except EOFError:
        return False
