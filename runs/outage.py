"""A disk that cannot be written stops the recording, said once, and not the training; writing is tried again."""

import errno
import time
import warnings
from collections.abc import Callable, Mapping

RETRY_S = 5.0
"""Seconds between two tries while nothing can be written; ours."""

ADVICE = {
    errno.ENOSPC: "free some space there",
    errno.EDQUOT: "free some space there",
    errno.EACCES: "make the folder writable again",
    errno.EPERM: "make the folder writable again",
    errno.EROFS: "make the file system writable again",
    errno.ENOENT: "put the folder back where it was",
}


class Outage:
    """Guards what writes a run: an OSError is told, and tried again every few seconds instead of raised.

    where : the run's folder, for the message
    write_all : writes everything that waits; returns a sentence on what is missing for good ("" for nothing)
    """

    def __init__(self, where: object, write_all: Callable[[], str]) -> None:
        self.error: OSError | None = None
        self._where, self._write_all = where, write_all
        self._tried_at = 0.0

    @property
    def why(self) -> str:
        """The fault in words; empty while everything can be written."""
        return "" if self.error is None else reason(self.error)

    def attempt(self, write: Callable[[], object]) -> None:
        """Write, or during an outage try everything that waits if the last try is long enough ago."""
        if self.error is not None:
            if time.monotonic() - self._tried_at >= RETRY_S:
                self.retry()
            return
        try:
            write()
        except OSError as error:
            self._tried_at = time.monotonic()
            self.error = error
            say(
                f"the recording into {self._where} stopped: {reason(error)}. Training goes on, and what is recorded "
                f"waits in memory as far as it fits; {advice(error)}, writing is tried again every {RETRY_S:g} s"
            )

    def retry(self) -> None:
        """Try everything that waits, now; nothing outside an outage."""
        if self.error is None:
            return
        self._tried_at = time.monotonic()
        try:
            missing = self._write_all()
        except OSError:
            return
        self.error = None
        say(f"the recording into {self._where} goes on; {missing or 'nothing was lost'}")

    def unfinished(self, error: OSError, lost: Mapping[str, int]) -> None:
        """Say that the log could not be closed in order, and how many rows of what went with it."""
        rows = ", ".join(f"{count:,} rows of {what}" for what, count in lost.items() if count) or "no rows"
        say(
            f"the log {self._where} could not be closed in order: {reason(error)}. {rows} are lost; {advice(error)}, "
            f"then RunLog({str(self._where)!r}, resume=True).close() puts the others in order"
        )


def reason(error: OSError) -> str:
    """What the system said, and of which file."""
    what = error.strerror or str(error) or type(error).__name__
    return f"{what} ({error.filename})" if error.filename else what


def advice(error: OSError) -> str:
    """What the person can do."""
    return ADVICE.get(error.errno or 0, "see to the disk")


def say(text: str) -> None:
    """Warn on stderr whatever the filters: one that makes errors of warnings would end the training."""
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn(text, stacklevel=3)
