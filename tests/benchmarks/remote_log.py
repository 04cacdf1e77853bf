"""What a store costs training: `python tests/benchmarks/remote_log.py [--latency S] [--iterations N]`.

A loop of 2 ms an iteration is recorded on a disk, and into a store in this process's memory in which each request takes
`latency` seconds. Said is what `append` cost, at its median and its slowest, and how far the store lagged.
"""

import argparse
import statistics
import tempfile
import time
import uuid
from pathlib import Path

import fsspec
import numpy as np
from flatline.runs.log import RunLog
from fsspec.implementations.memory import MemoryFileSystem

ITERATION_S = 0.002

EVERY = 500
"""Iterations between two evaluations."""


class Slow(MemoryFileSystem):
    """A store far away."""

    protocol = "slow"
    latency = 0.1
    asked = 0

    def _wait(self) -> None:
        Slow.asked += 1
        time.sleep(self.latency)

    def put_file(self, *arguments: object, **options: object) -> None:
        """Put an object."""
        self._wait()
        super().put_file(*arguments, **options)

    def pipe_file(self, *arguments: object, **options: object) -> None:
        """Put bytes."""
        self._wait()
        super().pipe_file(*arguments, **options)

    def cat_file(self, *arguments: object, **options: object) -> bytes:
        """Get an object."""
        self._wait()
        return super().cat_file(*arguments, **options)

    def ls(self, *arguments: object, **options: object) -> list:
        """List a folder."""
        self._wait()
        return super().ls(*arguments, **options)

    def rm_file(self, *arguments: object, **options: object) -> None:
        """Delete an object."""
        self._wait()
        super().rm_file(*arguments, **options)


def measure(address: str, iterations: int) -> str:
    """What recording cost the loop, in a line."""
    log = RunLog(address, {"parameters": [str(number) for number in range(60)]})
    norms = np.random.default_rng(0).random((iterations, 60), dtype=np.float32)
    took, lags = [], []
    for iteration in range(iterations):
        time.sleep(ITERATION_S)
        began = time.perf_counter()
        values = norms[iteration]
        row = {"gradient_norm": values, "weight_norm": values, "update_ratio": values}
        log.append({"iteration": iteration, "wall_time": time.time(), "loss": 0.5, **row})
        if iteration % EVERY == EVERY - 1:
            log.append_evaluation({"iteration": iteration + 1, "lwlrap": 0.5})
        took.append(time.perf_counter() - began)
        lags.append(iteration - log.stored)
    began = time.perf_counter()
    log.close()
    closing = time.perf_counter() - began
    each, most, total = statistics.median(took), max(took), sum(took)
    return (
        f"append {1e6 * each:.0f} us (median), {1e3 * most:.1f} ms (slowest), {1e3 * total:.0f} ms in all; "
        f"{max(lags):,} iterations behind at most; close {closing:.2f} s"
    )


def main() -> None:
    """Measure the disk, then the store."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--latency", type=float, default=0.1, metavar="S")
    parser.add_argument("--iterations", type=int, default=10_000, metavar="N")
    given = parser.parse_args()
    fsspec.register_implementation("slow", Slow, clobber=True)
    Slow.latency = given.latency
    with tempfile.TemporaryDirectory() as folder:
        print(f"a disk: {measure(str(Path(folder) / 'run'), given.iterations)}")
    line = measure(f"slow://{uuid.uuid4().hex}/run", given.iterations)
    print(f"{given.latency:g} s a request: {line}; {Slow.asked} requests")


if __name__ == "__main__":
    main()
