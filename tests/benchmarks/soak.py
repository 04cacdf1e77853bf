"""kill -9 at random moments: `python tests/benchmarks/soak.py [--kills 200] [--seed 0] [--folder DIR]`.

A writer appends, merges and seals as fast as it can, tells over a pipe what it was promised, and is killed. What it
told must be there, once; every other run goes on where the killed one stopped. The exit code is 1 if anything is not.
"""

import argparse
import json
import multiprocessing
import os
import random
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, fields
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import pandas as pd
from flatline.runs import writer
from flatline.runs.log import RunLog
from flatline.runs.run import Run
from flatline.runs.segments import segments_in, tail_segments

LONGEST_S = 0.3
"""From a writer's first word to its death, at most: some hundred flushes and a dozen seals."""


@dataclass
class Toll:
    """What a number of kills did."""

    kills: int = 0
    acknowledged: int = 0
    found: int = 0
    lost: int = 0
    doubled: int = 0
    unreadable: int = 0
    half_written: int = 0  # files that were being written: the kill came in the middle of one
    replaced: int = 0  # files of the tail that were merged or sealed and not deleted yet


def write(path: str, first: int, resume: bool, pipe: Connection) -> None:
    """Record rows for ever, and tell each that is promised to survive."""
    writer.SegmentWriter.__init__.__kwdefaults__.update(flush_rows=2, seal_rows=90)
    log = RunLog(path, resume=resume)
    norms = np.ones(60, dtype=np.float32)
    for iteration in range(first, 10**9):
        log.append({"iteration": iteration, "loss": float(iteration), "gradient_norm": norms * iteration})
        if not log._iterations.waiting:
            pipe.send(("iterations", iteration))
        if iteration % 7 == 0:
            log.append_evaluation({"iteration": iteration, "lwlrap": float(iteration)})
            pipe.send(("evaluations", iteration))
            log.append_maps(iteration, {"head.map": norms.reshape(10, 6)}, "one.wav")
            pipe.send(("maps", iteration))
        if iteration % 5 == 0:
            log.event("skipped-step", iteration)
            pipe.send(("events", iteration))
            log.update(reached=iteration)


def promised_before_death(path: Path, first: int, resume: bool, chance: random.Random) -> dict[str, list[int]]:
    """Start a writer, kill it at a random moment; what it said would survive."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["flatline.runs.log"])
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=write, args=(str(path), first, resume, theirs), daemon=True)
    process.start()
    theirs.close()
    promised: dict[str, list[int]] = {"iterations": [], "evaluations": [], "maps": [], "events": []}
    end = None
    try:
        while True:
            if ours.poll(0.001):
                kind, iteration = ours.recv()
                promised[kind].append(iteration)
                end = end or time.monotonic() + chance.random() * LONGEST_S
            if end is not None and time.monotonic() >= end:
                process.kill()
                end = float("inf")
    except (EOFError, OSError):  # the last words have been read
        process.join()
    if process.exitcode != -9:
        raise RuntimeError(f"the writer of {path} ended by itself (exit code {process.exitcode})")
    return promised


def count(path: Path, promised: dict[str, list[int]], toll: Toll) -> int:
    """Add up what a kill did; returns the next iteration of the run."""
    toll.kills += 1
    toll.half_written += len([*path.rglob(".*.parquet"), *path.glob(".run.json")])
    for folder in ("iterations", "evaluations"):
        toll.replaced += len(segments_in(path / "tail" / folder)) - len(tail_segments(path / "tail" / folder))
    try:
        run = Run(path)
        loss = run.series("loss")
        tables = {
            "iterations": loss.index.tolist(),
            "evaluations": run.evaluations.index.tolist(),
            "maps": run.map_iterations("one.wav").tolist() if promised["maps"] else [],
            "events": [event["iteration"] for event in run.events()],
        }
        json.loads((path / "run.json").read_text(encoding="utf-8"))
        sealed = pd.read_parquet(path / "iterations").get("iteration", pd.Series(dtype=int)).tolist()
        whole = loss.tolist() == tables["iterations"] and run.status == "interrupted"
    except Exception as error:
        print(f"{path}: {type(error).__name__}: {error}", file=sys.stderr)
        toll.unreadable += 1
        return -1
    toll.unreadable += not whole or sealed != list(range(len(sealed)))
    for kind, found in tables.items():
        toll.lost += len(set(promised[kind]) - set(found))
        if kind != "events":  # one may be told again: of a row that was lost unacknowledged and recorded anew
            toll.doubled += sum(times - 1 for times in Counter(found).values())
        toll.acknowledged += len(promised[kind])
        toll.found += len(found)
    last = max(promised["iterations"], default=-1)
    toll.lost += len(set(range(last + 1)) - set(tables["iterations"]))  # and those between: a flush has several rows
    return len(tables["iterations"])


def soak(folder: Path, kills: int, seed: int = 0) -> Toll:
    """So many kills below a folder; every other one hits a run that goes on after the one before."""
    chance, toll, first = random.Random(seed), Toll(), 0
    path = folder / "0"
    for number in range(kills):
        resume = number % 2 == 1 and first > 0
        if not resume:
            path, first = folder / str(number), 0
        first = count(path, promised_before_death(path, first, resume, chance), toll)
        if resume and first > 0:
            RunLog(path, resume=True).close()
            toll.lost += pd.read_parquet(path / "iterations").iteration.tolist() != list(range(first))
    return toll


def main() -> int:
    """Print the toll as a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, help="where to write; a temporary folder if it is left out")
    options = parser.parse_args()
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        os.makedirs(folder, exist_ok=True)
        toll = soak(folder, options.kills, options.seed)
    for field in fields(toll):
        print(f"| {field.name.replace('_', ' ')} | {getattr(toll, field.name):,} |")
    print(f"| seconds | {time.monotonic() - started:.0f} |")
    return 1 if toll.lost or toll.doubled or toll.unreadable else 0


if __name__ == "__main__":
    sys.exit(main())
