"""events.jsonl: what happened in a run, one JSON object a line."""

import os
import time
from pathlib import Path
from typing import Any

from .jsons import to_json

MOST_WAITING = 10_000
"""Events that are kept while none can be written; ours."""


class EventLog:
    """Lines that are with the operating system once `flush` has returned.

    path : the file; made with the first event
    """

    def __init__(self, path: Path, *, fsync: bool = False) -> None:
        self.path, self.fsync = path, fsync
        self._waiting: list[bytes] = []
        self._dropped: tuple[int, int] | None = None
        self._end_line()

    def hold(self, kind: str, iteration: int, **details: Any) -> None:
        """Take an event; beyond a bound it is only counted."""
        if len(self._waiting) < MOST_WAITING:
            self._waiting.append(_line(kind, iteration, **details))
            return
        first, count = self._dropped or (iteration, 0)
        self._dropped = first, count + 1

    def flush(self) -> None:
        """Append what waits; after an error none of it stands in the file, and all of it waits still."""
        if not self._waiting:
            return
        lines = b"".join(self._waiting)
        if self._dropped is not None:
            lines += _line("gap", self._dropped[0], rows=self._dropped[1], table="events")
        with self.path.open("ab", buffering=0) as file:
            start = file.seek(0, os.SEEK_END)
            try:
                _write_all(file.fileno(), lines)
            except BaseException:
                file.truncate(start)
                raise
            if self.fsync:
                os.fsync(file.fileno())
        self._waiting, self._dropped = [], None

    def _end_line(self) -> None:
        """End a line that a killed writer left open, so that the next event does not stand in it."""
        if self.path.is_file() and (content := self.path.read_bytes()) and not content.endswith(b"\n"):
            with self.path.open("ab") as file:
                file.write(b"\n")


def _line(kind: str, iteration: int, **details: Any) -> bytes:
    entry = {"kind": kind, "iteration": iteration, "wall_time": time.time(), **details}
    return to_json(entry).encode() + b"\n"


def _write_all(descriptor: int, content: bytes) -> None:
    """A full disk takes a part of it first, and says so at the next write only."""
    while content:
        content = content[os.write(descriptor, content) :]
