import time
from collections.abc import Callable, Mapping


class Cadence:
    """When a measurement that costs much may be made again, so that it keeps to its share of the time.

    The first is always due; the next one as soon as all of them, itself included at what the last one cost, stay
    within the share of the time since the first was asked for.

    share : of the wall time that has passed, such as .01
    clock : seconds
    """

    def __init__(self, share: float, clock: Callable[[], float] = lambda: time.monotonic()) -> None:
        self.share, self.clock = share, clock
        self._begun: float | None = None
        self._spent = self._last = 0.0

    def is_due(self) -> bool:
        """Whether it may be made now."""
        if self._begun is None:
            self._begun = self.clock()
            return True
        return self._spent + self._last <= self.share * (self.clock() - self._begun)

    def state(self) -> dict[str, float]:
        """Seconds that have passed, were spent, and that the last one cost."""
        passed = 0.0 if self._begun is None else self.clock() - self._begun
        return {"passed": passed, "spent": self._spent, "last": self._last}

    def load_state(self, state: Mapping[str, float]) -> None:
        """Go on from there: the next one is due when it would have been, time in between left out."""
        self._begun = self.clock() - state["passed"]
        self._spent, self._last = state["spent"], state["last"]

    def spend(self, seconds: float) -> None:
        """Say what one measurement cost."""
        self._spent, self._last = self._spent + seconds, seconds
