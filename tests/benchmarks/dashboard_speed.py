"""How long a person at the dashboard waits, by the wall clock, and what memory the server takes; TensorBoard beside it.

A repetition is a server and browsers that start cold: the list of 1,000 runs twice, then two long runs turn about.
"""

import os
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from dashboard_browser import tour, visit
from dashboard_logs import judged_runs, shown_log
from dashboard_server import Served, served
from dashboard_tensorboard import tensorboard, write_events
from flatline.dashboard.browser import browser
from flatline.diagnostics.errors import FlatlineError
from run_log_forms import Cost, cost, emptied
from timing import Benchmark, Group, NotMeasured

N, N_LONGER, N_RUNS = 100_000, 1_000_000, 1000

TARGETS_MS = {
    "first contentful paint": 1000,
    "first figure": 2000,
    "first figure, browser warm": 2000,
    "page switch, to classes": 500,
    "page switch, to localisation": 500,
    "page switch, back to vitals": 500,
    "zoom": 300,
    "zoom, the old picture larger": None,
    "cursor line after a key": None,
    "bars after a key": None,
}
"""What is waited for in a tour of a run, and at most how long; milliseconds."""

MOST_LONGER = 1.5

LISTED = {"runs page, cold server": 2000, "runs page again": 2000}

MEMORY = {"server memory": 400, "memory of the process that judges": None}

LOAD = "load meanwhile"

PEER = ("first contentful paint", "first chart")

Found = dict[str, list[float]]


def measure(chosen: Sequence[Benchmark], repetitions: int) -> list[Cost | NotMeasured]:
    """All of it, whichever were chosen: it is one tour."""
    try:
        with emptied() as folder, browser() as chromium:
            found = _repeated(_logs(folder), chromium, repetitions)
    except FlatlineError as error:
        return [NotMeasured(str(error))] * len(chosen)
    return [_outcome(one.name.removeprefix("dashboard: "), found) for one in chosen]


def measure_peer(chosen: Sequence[Benchmark], repetitions: int) -> list[Cost | NotMeasured]:
    """TensorBoard's first page, once it has read everything."""
    try:
        with emptied() as folder, browser() as chromium:
            write_events(folder, N)
            with tensorboard(folder, N - 1) as address:
                found = _gathered(_peer(chromium, address) for _ in range(repetitions))
    except (FlatlineError, NotMeasured) as error:
        return [NotMeasured(str(error))] * len(chosen)
    return [cost("ms", found[one.name.removeprefix("TensorBoard: ")]) for one in chosen]


def longer(waited: str) -> str:
    """Name of the benchmark that compares the two long runs."""
    return f"{waited}, against {N:,} iterations"


def _logs(folder: Path) -> Path:
    judged_runs(folder, N_RUNS)
    for n in (N, N_LONGER):
        shown_log(folder / str(n), n)
    return folder


def _repeated(logs: Path, chromium: Any, repetitions: int) -> Found:
    return _gathered(_repetition(logs, chromium, number) for number in range(repetitions))


def _repetition(logs: Path, chromium: Any, number: int) -> dict[str, float]:
    """Everything once, with a server of its own."""
    with served(logs) as server:
        found = {what: _list(chromium, server) for what in LISTED}
        tours = {}
        for n in (N, N_LONGER)[:: 1 if number % 2 == 0 else -1]:
            with visit(chromium) as visited:
                tours[n] = tour(visited, server.address, str(n))
        found |= tours[N] | {longer(what): tours[N_LONGER][what] / tours[N][what] for what in TARGETS_MS}
        memory = dict(zip(MEMORY, (server.peak_mb(), server.children_mb()), strict=True))
    return found | memory | {LOAD: os.getloadavg()[0]}


def _list(chromium: Any, server: Served) -> float:
    with visit(chromium) as visited:
        visited.open(server.address)
        return visited.since_start("listed")


def _peer(chromium: Any, address: str) -> dict[str, float]:
    with visit(chromium) as visited:
        visited.open(address)
        return dict(zip(PEER, (visited.first_paint(), visited.since_start("charted")), strict=True))


def _gathered(repetitions: Iterable[dict[str, float]]) -> Found:
    found = defaultdict(list)
    for repetition in repetitions:
        for what, figure in repetition.items():
            found[what].append(figure)
    return found


def _outcome(what: str, found: Found) -> Cost:
    unit = "x" if what.endswith(longer("")) else "MB" if what in MEMORY else "processes" if what == LOAD else "ms"
    return cost(unit, found[what])


def _size(n: int) -> str:
    return f"wall clock, headless Chromium and server cold; {n:,} iterations x 60 parameters x 80 classes, judged"


def _benchmarks() -> tuple[Benchmark, ...]:
    groups: dict[str, dict[str, float | None]] = {
        _size(N): TARGETS_MS,
        _size(N_LONGER): {longer(what): MOST_LONGER for what, most in TARGETS_MS.items() if most is not None},
        f"wall clock; {N_RUNS:,} runs of 350 iterations and two long ones, judged": LISTED,
        "the peak of the server, after all of that": MEMORY | {LOAD: None},
    }
    return tuple(
        Benchmark(f"dashboard: {what}", size, target)
        for size, targets in groups.items()
        for what, target in targets.items()
    )


GROUPS = (
    Group(_benchmarks(), measure),
    Group(
        tuple(
            Benchmark(f"TensorBoard: {what}", f"wall clock; {N:,} iterations of 84 scalars, read before", None)
            for what in PEER
        ),
        measure_peer,
    ),
)
