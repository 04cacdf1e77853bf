"""What reading a run log costs: tables, windows of long runs, and the list of a thousand."""

from collections.abc import Callable, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

from flatline.runs.listing import list_runs
from flatline.runs.run import Run
from run_log_forms import Cost, cost, emptied
from run_log_rows import long_log, many_runs
from timing import Benchmark, Group, Timed, cpu_seconds, turn_about

PIXELS = 1200


def measure_reading(chosen: Sequence[Benchmark], repetitions: int) -> list[Cost | Timed]:
    """Each on a `Run` that was just opened, from files that the system has in memory."""
    with emptied() as folder:
        return [READS[one.name](_logs(folder), repetitions) for one in chosen]


@cache
def _log(folder: Path, n: int) -> Path:
    return long_log(folder / str(n), n)


def _logs(folder: Path) -> Callable[[int], Path]:
    return partial(_log, folder)


def _milliseconds(work: Callable[[], object], repetitions: int) -> Cost:
    work()
    return cost("ms", [1e3 * cpu_seconds(work) for _ in range(repetitions)])


def _one_series(log: Callable[[int], Path], repetitions: int) -> Cost:
    return _milliseconds(lambda: Run(log(10**5)).series("loss"), repetitions)


def _zoom(path: Path, first: int | None = None, last: int | None = None) -> Any:
    return Run(path).window("gradient_norm", first, last, PIXELS)


def _all_parameters(log: Callable[[int], Path], repetitions: int) -> Cost:
    return _milliseconds(lambda: _zoom(log(10**5)), repetitions)


def _longer(log: Callable[[int], Path], repetitions: int) -> Timed:
    return turn_about(lambda: _zoom(log(10**6)), lambda: _zoom(log(10**5)), repetitions)


def _few(log: Callable[[int], Path], repetitions: int) -> Cost:
    return _milliseconds(lambda: _zoom(log(10**6), 500_007, 500_306), repetitions)


def measure_table(chosen: Sequence[Benchmark], repetitions: int) -> list[Cost]:
    """The listing, from nothing known."""
    with emptied() as folder:
        many_runs(folder, 1000)
        return [_milliseconds(lambda: list_runs(folder), repetitions)]


READS: dict[str, Callable[[Callable[[int], Path], int], Cost | Timed]] = {
    "run log: one series of 100,000 iterations": _one_series,
    "run log: 60 parameters of 100,000 iterations in 1,200 bins": _all_parameters,
    "run log: the same of 1,000,000 against 100,000 iterations": _longer,
    "run log: 60 parameters of 300 iterations of 1,000,000, every one": _few,
}

AT_MOST = dict(zip(READS, (100, 150, 1.5, None), strict=True))

GROUPS = (
    Group(
        tuple(Benchmark(name, "60 parameters, 37 columns, in the page cache", AT_MOST[name]) for name in READS),
        measure_reading,
    ),
    Group((Benchmark("run log: a table of 1,000 runs", "350 iterations, 8 evaluations each", 1000),), measure_table),
)
