"""One writer a folder: a lock that the kernel lets go of when its holder dies."""

import errno
import fcntl
import os
import platform
import re
import time
from contextlib import suppress
from pathlib import Path
from typing import TextIO

from ..diagnostics.errors import RunError

ATTEMPTS = 5
"""Tries at the lock, 10 ms apart: a reader that asks `is_locked` holds it for microseconds."""

HELD = (errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES)
"""What flock says of a lock that another has; anything else means that this file system has no locks."""


class FolderLock:
    """The lock of a folder, held until it is closed or the process dies.

    Where the file system has no locks, the process named in the file counts while it lives.

    Raises RunError if another process holds it, naming that one, or if the folder cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / ".lock"
        try:
            self._file = self._path.open("a+", encoding="utf-8")
        except OSError as error:
            raise RunError(f"{folder} cannot be written ({error.strerror}); choose another folder") from error
        if not self._taken():
            owner = _owner(self._file) or "another process"
            self._file.close()
            raise RunError(f"{folder} is being written by {owner}; choose another folder, or stop that process first")
        self._say(f"process {os.getpid()} on {platform.node()}")

    @property
    def closed(self) -> bool:
        """Whether it was let go."""
        return self._file.closed

    def check(self) -> None:
        """Raises OSError if the folder is gone, or another one stands in its place."""
        if not os.path.samestat(os.stat(self._path), os.fstat(self._file.fileno())):
            raise FileExistsError(errno.EEXIST, "another run stands in its place", str(self._path.parent))

    def close(self) -> None:
        """Let go; a second call does nothing."""
        if not self._file.closed:
            self._say("")
            with suppress(OSError):  # a full disk, of the name that could not be written: it is closed all the same
                self._file.close()

    def _taken(self) -> bool:
        for _ in range(ATTEMPTS):
            if not _is_held(self._file, fcntl.LOCK_EX):
                return True
            time.sleep(0.01)
        return False

    def _say(self, text: str) -> None:
        try:
            self._file.seek(0)
            self._file.truncate(0)
            self._file.write(text)
            self._file.flush()
        except OSError:  # a full disk: the name is for messages, the lock holds without it
            pass


def is_locked(folder: Path) -> bool:
    """Whether a living process writes this run."""
    try:
        with (folder / ".lock").open(encoding="utf-8") as file:
            return _is_held(file, fcntl.LOCK_SH)
    except OSError:
        return False


def _is_held(file: TextIO, kind: int) -> bool:
    """Whether another holds the file's lock; if not, it is ours now."""
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno in HELD or is_alive(_owner(file))
    return False


def _owner(file: TextIO) -> str:
    file.seek(0)
    return file.read().strip()


def is_alive(owner: str) -> bool:
    """Whether the process of these words lives; one on another machine is taken to."""
    match = re.fullmatch(r"process (\d+) on (.*)", owner)
    if match is None:
        return False
    if match[2] != platform.node():
        return True
    try:
        os.kill(int(match[1]), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
