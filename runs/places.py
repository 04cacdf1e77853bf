"""Where runs are: a folder of this machine, or an address that fsspec knows (`s3://bucket/logs`)."""

import os
import re
from pathlib import Path, PurePath
from typing import Any, TypeGuard

from ..diagnostics.errors import RunError
from .remote_path import RemotePath

COLLAPSED = re.compile(r"[a-z][a-z0-9+.-]+:/[^/]")
"""What pathlib makes of `s3://bucket`."""


def place(address: Any) -> Path:
    """The folder; of an address, what stands for one in reading.

    A RemotePath has what reading a run needs of a Path and refuses the rest in words, so it passes for one here.

    address : a path, `protocol://...`, or a universal_pathlib.UPath, whose storage options are then used
    Raises RunError for an address that went through pathlib, which takes a slash from it.
    """
    if isinstance(address, RemotePath):
        return address
    if hasattr(address, "storage_options") and "://" in str(address):
        return RemotePath(str(address), address.fs)
    if isinstance(address, PurePath) and COLLAPSED.match(str(address)) and not os.path.exists(address.parts[0]):
        raise RunError(f"{address} lost a slash on its way through Path; give an address as a string")
    text = os.fspath(address)
    protocol, colon, rest = text.partition("://")
    if not colon:
        return Path(text)
    return Path(rest) if protocol in ("file", "local") else RemotePath(text)


def is_remote(path: object) -> TypeGuard[RemotePath]:
    """Whether it is an address in a store."""
    return isinstance(path, RemotePath)


def absolute(path: Path) -> Path:
    """The path whatever becomes of the working directory; an address is that already."""
    return path if isinstance(path, RemotePath) else Path(os.path.abspath(path))


def is_file(path: Path) -> bool:
    """Whether there is a file; unlike Path.is_file it takes any name."""
    return path.is_file() if isinstance(path, RemotePath) else os.path.isfile(path)
