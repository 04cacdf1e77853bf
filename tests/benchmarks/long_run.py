"""Files and memory of a long run: `python tests/benchmarks/long_run.py N [--first N] [--values N] [--maps]`.

Rows are written as fast as they come; Linux only. With `--first` the writer begins where a run of that length would be,
so that its largest segments are seen at once.
"""

import argparse
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
from flatline.runs.log import RunLog

FOLDERS = ("iterations", "pyramid", "maps", "tail")

LISTS = ("gradient_norm", "weight_norm", "update_ratio", "lwlrap", "positives")


def main() -> None:
    """Write, and say four times what there is by then."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("iterations", type=int, metavar="N")
    parser.add_argument("--first", type=int, default=0, metavar="N", help="number of the first iteration")
    parser.add_argument("--values", type=int, default=2, metavar="N", help="numbers of a row, about")
    parser.add_argument("--maps", action="store_true", help="a map of 8 x 2 each iteration")
    given = parser.parse_args()
    maps = {"a": np.ones((8, 2))} if given.maps else {}
    with tempfile.TemporaryDirectory() as folder:
        measure(Path(folder) / "run", given.first, given.iterations, given.values, maps)


def measure(path: Path, first: int, n: int, values: int, maps: dict[str, np.ndarray]) -> None:
    """Write `n` iterations."""
    log = RunLog(path)
    width = max(1, values // len(LISTS))
    block = np.random.default_rng(0).lognormal(size=(997, width)).astype(np.float32)
    told = [first + n * share // 100 - 1 for share in (10, 20, 50, 100)]
    began = time.process_time()
    for iteration in range(first, first + n):
        lists = dict.fromkeys(LISTS, block[iteration % len(block)])
        log.append({"iteration": iteration, "epoch": 0, "wall_time": 1.0, "loss": 0.5, **lists})
        if maps:
            log.append_maps(iteration, maps)
        if iteration in told:
            tell(path, iteration + 1, began)
    log.close()
    tell(path, first + n, began)


def tell(path: Path, iterations: int, began: float) -> None:
    """Files by folder and this process's highest memory."""
    files = {folder: sum(1 for _ in (path / folder).rglob("*.parquet")) for folder in FOLDERS}
    counted = ", ".join(f"{count} {folder}" for folder, count in files.items())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{iterations:,}: {counted}; peak {peak:.0f} MB; {time.process_time() - began:.0f} s of CPU", flush=True)


if __name__ == "__main__":
    main()
