"""Runs that pages look at, kept open from one figure to the next: what was read of a run is not read again.

One figure of a run is drawn at a time, in the order of the page: drawn at once they would all be there together, late,
and all that they read would be in memory together.
"""

import heapq
import itertools
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from ..runs.places import is_remote
from ..runs.run import Run

MOST = 2
"""Runs that stay open, the longest unused closed first: what each has read may be a hundred megabytes; ours."""


HEAD_START_S = 0.015
"""Seconds that all but the first figure of a page hold back: asked for at once, they come in any order; ours."""


class Turns:
    """One at a time; of those that wait the one with the lowest rank is next, of equal ranks the first that came."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting: list[tuple[int, int]] = []
        self._tickets = itertools.count()
        self._taken = False

    @contextmanager
    def turn(self, rank: int = 0) -> Iterator[None]:
        """Wait for one's turn, and have it."""
        if rank:
            time.sleep(HEAD_START_S)
        with self._changed:
            ticket = (rank, next(self._tickets))
            heapq.heappush(self._waiting, ticket)
            self._changed.wait_for(lambda: not self._taken and self._waiting[0] == ticket)
            heapq.heappop(self._waiting)
            self._taken = True
        try:
            yield
        finally:
            with self._changed:
                self._taken = False
                self._changed.notify_all()


class OpenRuns:
    """The runs of one app; any thread may ask."""

    def __init__(self, most: int = MOST) -> None:
        self.most = most
        self._open: OrderedDict[Path, tuple[Run, Turns]] = OrderedDict()
        self._guard = threading.Lock()

    @contextmanager
    def lent(self, paths: Sequence[Path], rank: int = 0) -> Iterator[list[Run]]:
        """The runs, each for nobody else meanwhile, except those in a store: there it is the requests that take time.

        rank : of those who wait for a run the lowest is next
        Raises RunError where there is no run, or none any more.
        """
        with ExitStack() as stack:
            held: dict[Path, Run] = {}
            for path in sorted({path for path in paths if not is_remote(path)}):  # in one order, lest two wait for both
                run, turns = self._opened(path)
                stack.enter_context(turns.turn(rank))
                run.info  # noqa: B018  (a run that is gone since is refused as a new one would be)
                held[path] = run
            yield [Run(path) if is_remote(path) else held[path] for path in paths]

    def _opened(self, path: Path) -> tuple[Run, Turns]:
        with self._guard:
            known = self._open.pop(path, None) or (Run(path), Turns())
            self._open[path] = known
            while len(self._open) > self.most:
                self._open.popitem(last=False)
        return known
