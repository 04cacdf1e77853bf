"""A run that is written into a store: on this disk first, and from there by a thread of its own.

Training waits for the disk alone, as ever; a put takes 10 to 100 ms. What the store lacks when its writer is killed, or
when it cannot be reached to the end, stays on this disk, and goes there when the run is next opened from this machine.
"""

import shutil
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from .outage import say
from .places import is_remote
from .pulling import prepared, spool_of
from .remote_path import RemotePath
from .sending import Sending
from .store import StoreError, reason
from .store_lock import StoreLock, lock_of

SEND_S = 5.0
"""Seconds between two looks at what is new on the disk, and between two tries in an outage; ours."""

WAIT_S = 60.0
"""Seconds that `flush` waits for the store at most; ours."""


class Mirror:
    """The folder of this disk in which a run of a store is written, and what puts it there.

    remote : the run's address
    resume : go on with the run that stands there; otherwise one that stands there is refused
    Raises RunError if another process writes it, or if it is not what is asked for; StoreError where the store cannot
    be used.
    """

    def __init__(self, remote: RemotePath, *, resume: bool) -> None:
        self.remote, self.folder = remote, spool_of(remote)
        self.guard = threading.RLock()  # held by whoever changes the folder's files, and while they are listed
        self.stored = -1
        self.fault: OSError | None = None
        self._told = self._ending = False
        self._wake, self._passed = threading.Event(), threading.Condition()
        self._begun = self._done = 0
        self._thread: threading.Thread | None = None
        self._lock = StoreLock(remote)
        try:
            self._sending = Sending(self.folder, remote, prepared(remote, resume), self._lock.renew)
        except BaseException:
            self._lock.close()
            raise

    def start(self) -> None:
        """Put everything once, so that the run is there, and from now on what is new.

        Raises StoreError where that fails.
        """
        self.send()
        self._thread = threading.Thread(target=self._run, name=f"flatline {self.remote}", daemon=True)
        self._thread.start()

    def send(self) -> None:
        """Put everything now, while no thread does; raises OSError where that fails."""
        self._lock.check()
        self.stored = self._sending.send(self.guard)

    def flush(self) -> None:
        """Wait until the store has what is on the disk now; not while it cannot be used, and no longer than WAIT_S."""
        if self._thread is None or self.fault is not None:
            return
        with self._passed:
            wanted = self._begun + 1
            self._wake.set()
            self._passed.wait_for(lambda: self._done >= wanted, WAIT_S)

    def tell(self) -> None:
        """Say that the store can no longer be used, or can again: once each, and from the caller's thread."""
        fault = self.fault
        if fault is not None and not self._told:
            self._told = True
            say(
                f"the recording into {self.remote} stopped: {reason(fault)}. Training goes on, and what is recorded "
                f"waits in {self.folder}; writing is tried again every {SEND_S:g} s"
            )
        elif fault is None and self._told:
            self._told = False
            say(f"the recording into {self.remote} goes on; nothing was lost")

    def finish(self) -> None:
        """Put what is left and let go; the folder of this disk goes once the store has everything."""
        self._stop()
        try:
            self.send()
        except OSError as error:
            say(
                f"the log {self.remote} could not be closed in order: {reason(error)}. What the store lacks is in "
                f"{self.folder}; once it can be used, RunLog({str(self.remote)!r}, resume=True).close() puts it there"
            )
        else:
            shutil.rmtree(self.folder, ignore_errors=True)
        self._lock.close()

    def release(self) -> None:
        """Let go of the run and keep the folder."""
        self._stop()
        self._lock.close()

    def _stop(self) -> None:
        """End the thread, once it has done what it is at."""
        self._ending = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _run(self) -> None:
        while not self._ending:
            self._wake.wait(SEND_S)
            self._wake.clear()
            if not self._ending:
                self._pass()

    def _pass(self) -> None:
        with self._passed:
            self._begun += 1
        try:
            self._lock.renew()
            self.stored = self._sending.send(self.guard)
            self.fault = None
        except Exception as error:  # a thread has nobody to raise to
            self.fault = error if isinstance(error, OSError) else StoreError(f"{type(error).__name__}: {error}")
        with self._passed:
            self._done = self._begun
            self._passed.notify_all()


@contextmanager
def opened(path: Path) -> Iterator[Path]:
    """A run's folder to be changed, locked: itself, or a copy on this disk that is put into the store at the end.

    The copy is kept, and not fetched again by who opens the run next.
    Raises RunError if another process writes it, StoreError where the store cannot be used.
    """
    if not is_remote(path):
        with closing(lock_of(path)):
            yield path
        return
    mirror = Mirror(path, resume=True)
    try:
        yield mirror.folder
        mirror.send()
    finally:
        mirror.release()
