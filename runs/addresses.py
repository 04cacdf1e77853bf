"""Where a run is, given by path or by name."""

import difflib
import os
from pathlib import Path

from ..diagnostics.errors import RunError
from .places import is_file, is_remote, place

LOGS = Path("logs")

MOST_NAMED = 8
"""Runs that are named where one is not found."""


def find_run(address: str | os.PathLike[str], logs: Path = LOGS) -> Path:
    """The folder of a run given by path, by address (`s3://bucket/logs/mine`) or by a name under `logs`.

    Raises RunError naming what was looked for and the runs there are.
    """
    given, logs = place(address), place(logs)
    places = [given] if is_remote(given) else list(dict.fromkeys((given, logs / address)))
    for path in places:
        if is_file(path / "run.json"):
            return path
    looked = " nor ".join(map(_short, places))
    raise RunError(f"no run at {looked} (a run is a folder with a run.json); {_runs_there(given, logs)}")


def _runs_there(address: Path, logs: Path) -> str:
    """The runs beside that address, else those under `logs`, the nearest names first."""
    beside = [address.parent] if is_remote(address) else [address.parent, logs]
    folders = [logs] if address.parent == Path() else beside
    folder, names = next(((folder, names) for folder in folders if (names := _runs_in(folder))), (logs, []))
    if not names:
        return f"there are no runs under {_short(logs)} yet"
    nearest = difflib.get_close_matches(address.name, names, MOST_NAMED, cutoff=0.0)
    more = f" and {len(names) - MOST_NAMED} more (`flatline runs`)" if len(names) > MOST_NAMED else ""
    return f"runs under {_short(folder)}: {', '.join(nearest)}{more}"


def _runs_in(folder: Path) -> list[str]:
    try:
        return [path.name for path in folder.iterdir() if is_file(path / "run.json")]
    except (OSError, ValueError):
        return []


def _short(path: Path) -> str:
    return text if len(text := str(path)) <= 200 else f"{text[:200]}..."
