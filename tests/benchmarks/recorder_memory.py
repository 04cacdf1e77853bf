"""What the recorder adds to the peak of resident memory on the seed's CGRNN, against the bare loop."""

import json
import math
import os
import statistics
import subprocess
import sys
from collections.abc import Sequence
from itertools import product
from pathlib import Path

from instruments import AGAIN, BARE, LEVELS, Case
from nets import SEED
from timing import Benchmark, Group, Grown, NotMeasured, Outcome

ITERATIONS = 4
"""From the first, at which the recorder does most; enough that what one leaves meets the next one's peak."""

AT_MOST_MB = 32

LIBRARIES = "libraries the recorder loads, once"

RETURNED = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}
"""glibc gives freed tensors back at once: resident is then what lives. Without, bare loops differ by 200 MB."""

SIZE = f"peak of the first {ITERATIONS} iterations in a process of its own; {SEED.size}"


def read(case: Case, net: str = "seed") -> dict[str, float]:
    """What a process says of itself.

    Raises NotMeasured where it fails, or the system does not tell.
    """
    script = Path(__file__).with_name("peak_memory.py")
    done = subprocess.run(
        [sys.executable, str(script), net, case.name, str(ITERATIONS)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **RETURNED},
    )
    if done.returncode:
        raise NotMeasured(f"failed: {(done.stderr.strip().splitlines() or ['no word of why'])[-1]}")
    said = json.loads(done.stdout)
    if math.isnan(said["peak_mb"]):
        raise NotMeasured("needs Linux (/proc/self/clear_refs)")
    return said


def grown(with_mb: Sequence[float], without_mb: Sequence[float]) -> Grown:
    """Every process with over every process without."""
    added = [more - less for more, less in product(with_mb, without_mb)]
    return Grown(statistics.median(added), min(added), max(added), len(with_mb))


def measure(chosen: Sequence[Benchmark], repetitions: int) -> list[Outcome]:
    """The outcome of each chosen case; a process costs seconds and says little new, so half the repetitions do."""
    names = [benchmark.name.rpartition(": ")[2] for benchmark in chosen]
    peaks: dict[str, list[float]] = {}
    libraries: list[float] = []
    try:
        for _ in range(max(1, repetitions // 2)):
            for case in (BARE, *(case for case in CASES if case.name in names)):
                said = read(case)
                peaks.setdefault(case.name, []).append(said["peak_mb"])
                libraries.append(said["libraries_mb"])
    except NotMeasured as fault:
        return [fault] * len(chosen)
    return [grown(libraries, [0.0]) if name == LIBRARIES else grown(peaks[name], peaks[BARE.name]) for name in names]


CASES = (AGAIN, *LEVELS)

GROUPS = (
    Group(
        tuple(
            Benchmark(f"added memory: {name}", SIZE, at_most)
            for name, at_most in (
                (AGAIN.name, None),
                *((level.name, AT_MOST_MB) for level in LEVELS),
                (LIBRARIES, None),
            )
        ),
        measure,
    ),
)
