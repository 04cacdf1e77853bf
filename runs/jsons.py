"""JSON that any reader takes: NaN, arrays and paths have a form there."""

import json
import math
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from .places import is_remote


def to_json(value: Any, *, indent: int | None = None) -> str:
    """The value as strict JSON: NaN is null, infinities are "inf" and "-inf", arrays are lists, paths are strings.

    >>> to_json({"norm": float("nan"), "ratio": np.float32(2), "at": [math.inf, Path("a")]})
    '{"norm": null, "ratio": 2.0, "at": ["inf", "a"]}'
    """
    return json.dumps(_plain(value), indent=indent, allow_nan=False)


def write_json(path: Path, value: Any, *, fsync: bool = False) -> None:
    """Replace a file whole: a reader sees the old or the new one.

    fsync : wait until the disk has the new one
    """
    write_file(path, (to_json(value, indent=1) + "\n").encode(), fsync=fsync)


def write_file(path: Path, content: bytes, *, fsync: bool = False) -> None:
    """Replace any file in the same way."""
    if is_remote(path):
        path.write_bytes(content)
        return
    hidden = path.with_name(f".{path.name}")
    try:
        with hidden.open("wb") as file:
            file.write(content)
            if fsync:
                file.flush()
                os.fsync(file.fileno())
        os.replace(hidden, path)
        if fsync:
            sync_folder(path.parent)
    except BaseException:
        with suppress(OSError):  # the first error is the one to tell
            hidden.unlink(missing_ok=True)
        raise


def sync_folder(folder: Path) -> None:
    """Wait until the disk has the names in a folder."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(entry) for entry in value]
    if isinstance(value, (np.ndarray, np.generic)):
        return _plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else str(value)
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)
