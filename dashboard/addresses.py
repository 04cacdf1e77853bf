"""Addresses of pages: which page and runs a path means, and the path of a run's page or of a comparison."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, quote, unquote

from ..diagnostics.errors import RunError

HOME = "/"

RUN_PAGES = ("vitals", "classes", "localisation", "attribution", "diagnosis")
"""Pages of one run, in the order of their tabs."""


@dataclass(frozen=True)
class Address:
    """A page, and what it shows.

    run  : the run of a run's page; None elsewhere
    runs : those of a comparison
    by   : the recipe key by which a comparison puts runs into groups; None keeps each for itself
    clip : that an attribution's address names; None elsewhere
    """

    page: str
    run: str | None = None
    runs: tuple[str, ...] = ()
    by: str | None = None
    clip: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Every run that the page shows."""
        return self.runs if self.run is None else (self.run,)


def run_address(name: str, page: str = "vitals", query: Mapping[str, str] | None = None) -> str:
    """The path of a run's page, the name quoted.

    query : what the page shows of it, such as {"iteration": "120"}

    >>> run_address("50 % noise", query={"class": "Dog bark"})
    '/run/50%20%25%20noise/vitals?class=Dog%20bark'
    """
    path = f"/run/{quote(name, safe='')}/{page}"
    words = [f"{key}={quote(value, safe='')}" for key, value in (query or {}).items()]
    return "?".join([path, "&".join(words)] if words else [path])


def compare_address(names: Sequence[str], by: str | None = None) -> str:
    """The address at which runs stand side by side.

    >>> compare_address(["a", "b, too"], by="head")
    '/compare?runs=a,b%2C%20too&by=head'
    """
    runs = ",".join(quote(name, safe="") for name in names)
    return f"/compare?runs={runs}" + (f"&by={quote(by, safe='')}" if by else "")


def parse(path: str, search: str | None = None) -> Address | None:
    """The address that a path and what follows its question mark mean; None where no page has it.

    >>> parse("/run/50%20%25%20noise/vitals").run
    '50 % noise'
    """
    parts = [unquote(part) for part in path.strip("/").split("/")]
    if parts == [""]:
        return Address("runs")
    if len(parts) == 3 and parts[0] == "run":
        clip = _word(search, "clip") if parts[2] == "attribution" else None
        return Address(parts[2], parts[1], clip=clip) if parts[2] in RUN_PAGES else None
    if len(parts) == 2 and parts[0] == "run" and parts[1]:
        return Address(RUN_PAGES[0], parts[1])
    if parts == ["compare"]:
        return Address("compare", runs=_names(search or ""), by=_word(search, "by"))
    return None


def _word(search: str | None, name: str) -> str | None:
    return dict(parse_qsl((search or "").lstrip("?"))).get(name)


def _names(search: str) -> tuple[str, ...]:
    """Names of `runs=a,b`, each once; they are parted before they are unquoted, since a name may hold a comma."""
    given = [part.removeprefix("runs=") for part in search.lstrip("?").split("&") if part.startswith("runs=")]
    return tuple(dict.fromkeys(unquote(name) for part in given for name in part.split(",") if name))


def run_path(logs: Path, name: str | None) -> Path | None:
    """The folder of the run of that name directly under `logs`; None if there is none or the name leads elsewhere."""
    if not name or name.startswith(".") or any(mark in name for mark in "/\\\0"):
        return None
    path = logs / name
    return path if path.is_dir() else None


def run_folder(logs: Path, name: str | None) -> Path:
    """The same folder.

    Raises RunError if there is none: whatever is drawn of a run, only runs directly under `logs` are.
    """
    path = run_path(logs, name)
    if path is None:
        raise RunError(f"there is no run named {name!r} under {logs}; it may have been deleted or renamed")
    return path
