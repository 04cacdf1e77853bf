"""One writer a run in a store: an object that its holder renews, and that counts while it is fresh."""

import errno
import json
import os
import platform
import time
import uuid
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..diagnostics.errors import RunError
from .locking import FolderLock, is_alive
from .locking import is_locked as is_folder_locked
from .places import is_remote
from .remote_path import RemotePath
from .store import StoreError

RENEWED_S = 10.0
"""Seconds between two renewals."""

STALE_S = 60.0
"""Seconds after the last renewal from which on the holder is taken for dead; clocks must agree to well within that."""

ATTEMPTS = 3


class StoreLock:
    """The lock of a run in a store, held while it is renewed.

    Raises RunError if another process holds it, naming that one; StoreError where the store cannot be used.
    """

    def __init__(self, folder: RemotePath) -> None:
        self._folder, self._object = folder, folder / ".lock"
        self._token = uuid.uuid4().hex
        self.closed = False
        for _ in range(ATTEMPTS):
            held = read_lock(folder)
            if is_held(held):
                raise RunError(_refusal(folder, held))
            if held:
                self._object.unlink()
            if self._created():
                break
        if read_lock(folder).get("token") != self._token:  # also where a store knows no exclusive put
            raise RunError(_refusal(folder, read_lock(folder)))
        self._renewed_at = time.monotonic()

    def renew(self) -> None:
        """Put it again if that is due.

        Raises FileNotFoundError if the run is gone, FileExistsError if another process took it over.
        """
        if time.monotonic() - self._renewed_at >= RENEWED_S:
            self.check()
            self._object.write_bytes(self._content())
            self._renewed_at = time.monotonic()

    def check(self) -> None:
        """Raises as `renew`, at once."""
        held = read_lock(self._folder)
        if not held:
            raise FileNotFoundError(errno.ENOENT, "the run is gone", str(self._folder))
        if held.get("token") != self._token:
            raise FileExistsError(errno.EEXIST, "another process writes it by now", str(self._folder))

    def close(self) -> None:
        """Let go; a second call does nothing, and what cannot be deleted is stale before long."""
        if self.closed:
            return
        self.closed = True
        with suppress(OSError):
            if read_lock(self._folder).get("token") == self._token:
                self._object.unlink()

    def _created(self) -> bool:
        try:
            self._object.create(self._content())
        except FileExistsError:
            return False
        except StoreError:  # "not implemented", or "precondition failed" of a store that says it in another way
            if read_lock(self._folder):
                return False
            self._object.write_bytes(self._content())
        return True

    def _content(self) -> bytes:
        owner = {"process": f"process {os.getpid()} on {platform.node()}", "machine": _machine(), "time": time.time()}
        return json.dumps({"token": self._token, **owner}).encode()


def read_lock(folder: RemotePath) -> dict[str, Any]:
    """What the lock says; nothing where there is none, or one that is not ours to read."""
    try:
        held = json.loads((folder / ".lock").read_bytes())
    except (FileNotFoundError, ValueError) as error:
        if isinstance(error, StoreError):  # which is a ValueError too
            raise
        return {}
    return held if isinstance(held, dict) else {}


def is_held(held: dict[str, Any]) -> bool:
    """Whether the holder of a lock is taken to live."""
    if not held or time.time() - held.get("time", 0.0) >= STALE_S:
        return False
    return held.get("machine") != _machine() or is_alive(held.get("process", ""))


def is_locked(folder: Path) -> bool:
    """Whether a living process writes this run."""
    return is_held(read_lock(folder)) if is_remote(folder) else is_folder_locked(folder)


def lock_of(folder: Path) -> FolderLock | StoreLock:
    """The lock of a run wherever it is.

    Raises RunError if another process holds it.
    """
    return StoreLock(folder) if is_remote(folder) else FolderLock(folder)


def _refusal(folder: RemotePath, held: dict[str, Any]) -> str:
    owner, ago = held.get("process", "another process"), time.time() - held.get("time", 0.0)
    return (
        f"{folder} is being written by {owner}, heard of {ago:.0f} s ago; choose another folder, or stop that process "
        f"(a killed one counts as dead after {STALE_S:.0f} s)"
    )


def _machine() -> str:
    """What two processes share that can see each other by number; nothing where this is not known."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip() + os.readlink("/proc/self/ns/pid")
    except OSError:
        return uuid.uuid4().hex
