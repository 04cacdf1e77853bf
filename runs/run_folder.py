"""A run's folder: the name it gets, and what its run.json says."""

import datetime
import itertools
import json
import platform
import uuid
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from ..diagnostics.errors import RunError
from .places import is_remote
from .remote_path import RemotePath
from .store import StoreError

SCHEMA_VERSION = 1


def read_info(path: Path) -> dict[str, Any]:
    """What a run's run.json says.

    Raises RunError if it cannot be read, or a newer Flatline wrote it.
    """
    file = path / "run.json"
    try:
        info = json.loads(file.read_text(encoding="utf-8"))
        schema = int(info.get("schema_version", 0))
    except StoreError:
        raise
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise RunError(
            f"{file} cannot be read ({error}); the run's tables may still be whole, in {path / 'iterations'}"
        ) from error
    if schema > SCHEMA_VERSION:
        raise RunError(
            f"{path} has schema version {schema}, this Flatline reads up to {SCHEMA_VERSION}; upgrade flatline"
        )
    return info


def claim(logs: Path, name: str, *, numbered: bool) -> Path:
    """Make a run's folder under `logs`, so that no other process can have the same.

    numbered : where `name` is taken, take `name-2`, `name-3` ... instead of refusing
    Raises RunError for a name that is no plain folder name, or is taken, or where the folder cannot be made.
    """
    if name.startswith(".") or Path(name).name != name or not name:
        raise RunError(
            f"{name!r} is no name for a run's folder; give one without / and without a dot in front, "
            "which would hide it (a folder of runs is --logs)"
        )
    later = (f"{name}-{number}" for number in itertools.count(2)) if numbered else ()
    for candidate in itertools.chain([name], later):
        try:
            _make(logs / candidate)
        except StoreError:
            raise
        except FileExistsError:
            continue
        except OSError as error:
            raise RunError(
                f"{logs / candidate} cannot be made ({error.strerror}); choose another with --logs"
            ) from None
        return logs / candidate
    raise RunError(f"{logs / name} is there already (--name {name}); choose another name, or leave it out")


def _make(folder: Path) -> None:
    """Make a folder that is not there; in a store, an object that takes its name.

    Raises FileExistsError.
    """
    if not is_remote(folder):
        folder.mkdir(parents=True)
    elif folder.exists():
        raise FileExistsError(str(folder))
    else:
        (folder / ".claim").create(now().encode())


def check_store(logs: RemotePath) -> None:
    """Learn that nothing can be put under an address; raises StoreError."""
    probe = logs / f".{uuid.uuid4().hex}"
    probe.write_bytes(b"")
    probe.unlink()


def versions() -> dict[str, str]:
    """Versions of what a run's numbers depend on."""
    found = {"python": platform.python_version()}
    for package in ("flatline", "torch", "numpy", "librosa"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def now() -> str:
    """The time, as run.json says it."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def make_folder(path: Path, resume: bool) -> None:
    """Make the folder; one that holds something else is refused, what a writer leaves that died at once is not."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        names = {entry.name for entry in path.iterdir() if not entry.name.startswith(".")}
    except OSError as error:
        raise RunError(
            f"the run's folder {path} cannot be made ({error.strerror}); choose another with log= or --logs"
        ) from error
    if names and "run.json" not in names and not resume:
        raise RunError(f"{path} is there and is no run log; choose another folder")
