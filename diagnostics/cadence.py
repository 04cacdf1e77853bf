import time
from collections.abc import Callable


class Cadence:
    """When a measurement that costs much may be made again, so that it keeps to its share of the time.

    The first is always due; the next one as soon as all of them, itself included at what the last one cost, stay
    within the share of the time since the first was asked for.

    share : of the wall time that has passed, such as .01
    clock : seconds
    """

    def __init__(self, share: float, clock: Callable[[], float] = time.perf_counter) -> None:
        self.share, self.clock = share, clock
        self._begun: float | None = None
        self._spent = self._last = 0.0

    def is_due(self) -> bool:
        """Whether it may be made now."""
        if self._begun is None:
            self._begun = self.clock()
            return True
        return self._spent + self._last <= self.share * (self.clock() - self._begun)

    def spend(self, seconds: float) -> None:
        """Say what one measurement cost."""
        self._spent, self._last = self._spent + seconds, seconds
