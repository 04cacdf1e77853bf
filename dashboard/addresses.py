"""Addresses of pages: which page and run a path means, and the path of a run's page."""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote

HOME = "/"


@dataclass(frozen=True)
class Address:
    """A page, and the run it shows (None for pages of no run)."""

    page: str
    run: str | None = None


def run_address(name: str, page: str = "vitals") -> str:
    """The path of a run's page, the name quoted.

    >>> run_address("50 % noise")
    '/run/50%20%25%20noise/vitals'
    """
    return f"/run/{quote(name, safe='')}/{page}"


def parse(path: str) -> Address | None:
    """The address that a path means; None where no page has it.

    >>> parse("/run/50%20%25%20noise/vitals")
    Address(page='vitals', run='50 % noise')
    """
    parts = [unquote(part) for part in path.strip("/").split("/")]
    if parts == [""]:
        return Address("runs")
    if len(parts) == 3 and parts[0] == "run":
        return Address(parts[2], parts[1])
    return None


def run_path(logs: Path, name: str | None) -> Path | None:
    """The folder of the run of that name directly under `logs`; None if there is none or the name leads elsewhere."""
    if not name or name.startswith(".") or any(mark in name for mark in "/\\\0"):
        return None
    path = logs / name
    return path if path.is_dir() else None
