"""CPU time of two ways of doing the same, measured turn about so that a busy machine slows both alike."""

import os
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Timed:
    """Medians over repetitions: CPU seconds of either way, and of their ratio (slow over fast), with its extremes."""

    slow_s: float
    fast_s: float
    ratio: float
    lowest: float
    highest: float
    repetitions: int


@dataclass(frozen=True)
class Benchmark:
    """One measurement of a ratio.

    target : what the ratio must reach; None where it only informs
    at_most : whether the target is an upper bound
    size : what it was measured on
    measure : repetitions -> Timed
    """

    name: str
    size: str
    target: float | None
    at_most: bool
    measure: Callable[[int], Timed]

    def verdict(self, ratio: float) -> str:
        """met, short, or nothing where there is no target."""
        if self.target is None:
            return ""
        return "met" if (ratio <= self.target if self.at_most else ratio >= self.target) else "short"


def cpu_seconds(work: Callable[[], object]) -> float:
    """CPU seconds of all threads of this process."""
    start = time.process_time()
    work()
    return time.process_time() - start


def turn_about(slow: Callable[[], object], fast: Callable[[], object], repetitions: int, calls: int = 1) -> Timed:
    """Medians over repetitions of the time of `calls` calls of either, which alternate call by call; one call warms up.

    Within a repetition times are summed, so that work that falls due once in many calls (a flush) is counted.
    """
    slow(), fast()
    sums = []
    for repetition in range(repetitions):
        totals = {slow: 0.0, fast: 0.0}
        for call in range(calls):
            for work in (slow, fast) if (call + repetition) % 2 else (fast, slow):
                totals[work] += cpu_seconds(work)
        sums.append((totals[slow] / calls, totals[fast] / calls))
    ratios = [slow_s / max(fast_s, 1e-9) for slow_s, fast_s in sums]
    slow_s, fast_s = (statistics.median(column) for column in zip(*sums, strict=True))
    return Timed(slow_s, fast_s, statistics.median(ratios), min(ratios), max(ratios), repetitions)


def n_cores() -> int:
    """CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
