"""Where a run is, given by path or by name."""

import difflib
import os
from pathlib import Path

from ..diagnostics.errors import RunError

LOGS = Path("logs")

MOST_NAMED = 8
"""Runs that are named where one is not found."""


def find_run(address: str | os.PathLike[str], logs: Path = LOGS) -> Path:
    """The folder of a run given by path or by a name under `logs`.

    Raises RunError naming what was looked for and the runs there are.
    """
    places = list(dict.fromkeys((Path(address), logs / address)))
    for path in places:
        if os.path.isfile(path / "run.json"):  # unlike Path.is_file it takes any name
            return path
    looked = " nor ".join(map(_short, places))
    raise RunError(f"no run at {looked} (a run is a folder with a run.json); {_runs_there(Path(address), logs)}")


def _runs_there(address: Path, logs: Path) -> str:
    """The runs beside that address, else those under `logs`, the nearest names first."""
    folders = [logs] if address.parent == Path() else [address.parent, logs]
    folder, names = next(((folder, names) for folder in folders if (names := _runs_in(folder))), (logs, []))
    if not names:
        return f"there are no runs under {_short(logs)} yet"
    nearest = difflib.get_close_matches(address.name, names, MOST_NAMED, cutoff=0.0)
    more = f" and {len(names) - MOST_NAMED} more (`flatline runs`)" if len(names) > MOST_NAMED else ""
    return f"runs under {_short(folder)}: {', '.join(nearest)}{more}"


def _runs_in(folder: Path) -> list[str]:
    try:
        return [path.name for path in folder.iterdir() if os.path.isfile(path / "run.json")]
    except (OSError, ValueError):
        return []


def _short(path: Path) -> str:
    return text if len(text := str(path)) <= 200 else f"{text[:200]}..."
