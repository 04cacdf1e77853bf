"""CPU time of two ways of doing the same, measured turn about so that a busy machine slows both alike."""

import os
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar


@dataclass(frozen=True)
class Timed:
    """Medians over repetitions: CPU seconds of either way, and of their ratio (slow over fast), with its extremes.

    step_s : CPU seconds of an instrument's own call, where there is one; of_sums : all seconds over all seconds
    """

    unit: ClassVar[str] = "x"

    slow_s: float
    fast_s: float
    ratio: float
    lowest: float
    highest: float
    repetitions: int
    step_s: float | None = None
    of_sums: float | None = None

    @property
    def figure(self) -> float:
        """What is held against the target."""
        return self.ratio


@dataclass(frozen=True)
class Grown:
    """Median over pairs of processes of how much more memory one took than the other, in MB (10^6 bytes)."""

    unit: ClassVar[str] = "MB"

    added_mb: float
    lowest: float
    highest: float
    repetitions: int

    @property
    def figure(self) -> float:
        """What is held against the target."""
        return self.added_mb


class NotMeasured(Exception):
    """Why there is no figure."""


Outcome = Timed | Grown | NotMeasured


@dataclass(frozen=True)
class Benchmark:
    """One figure.

    size : what it was measured on
    target : what the figure must reach; None where it only informs
    at_most : whether the target is an upper bound
    """

    name: str
    size: str
    target: float | None
    at_most: bool = True

    def verdict(self, figure: float) -> str:
        """met, short, or nothing where there is no target."""
        if self.target is None:
            return ""
        return "met" if (figure <= self.target if self.at_most else figure >= self.target) else "short"


@dataclass(frozen=True)
class Group:
    """Benchmarks that are measured together.

    measure : (those of them that are asked for, repetitions) -> an outcome each
    """

    benchmarks: tuple[Benchmark, ...]
    measure: Callable[[Sequence[Benchmark], int], Sequence[Outcome]]


def alone(name: str, size: str, target: float | None, at_most: bool, measure: Callable[[int], Timed]) -> Group:
    """A group of one."""
    return Group((Benchmark(name, size, target, at_most),), lambda chosen, repetitions: [measure(repetitions)])


def cpu_seconds(work: Callable[[], object]) -> float:
    """CPU seconds of all threads of this process."""
    start = time.process_time()
    work()
    return time.process_time() - start


def turn_about(slow: Callable[[], object], fast: Callable[[], object], repetitions: int, calls: int = 1) -> Timed:
    """Medians over repetitions of the time of `calls` calls of either, which alternate call by call; one call warms up.

    Within a repetition times are summed, so that work that falls due once in many calls is counted.
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


def machine() -> dict[str, Any]:
    """What figures depend on besides the code: cores, how busy they are, versions."""
    import platform
    from importlib.metadata import version

    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    return {
        "cores": n_cores(),
        "load": round(load, 1),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "torch": version("torch"),
    }
