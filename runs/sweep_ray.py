"""The jobs of a sweep as tasks of Ray, on one machine or on all of a cluster that sees the same folders."""

import os
import time
from collections.abc import Sequence
from typing import Any

from ..diagnostics.errors import FlatlineError
from .sweep_jobs import LOOK_S, Ended, Job, Process, Started, Told


def check_ray() -> Any:
    """The module ray.

    Raises FlatlineError saying how to install it.
    """
    try:
        import ray  # pyright: ignore[reportMissingImports]  (an extra of 240 MB)
    except ImportError:
        raise FlatlineError(
            "ray is not installed (flatline sweep --engine ray); pip install 'flatline[ray]', or leave --engine out"
        ) from None
    return ray


def run_on_ray(jobs: Sequence[Job], at_once: int, told: Told, started: Started = lambda name: None) -> dict[str, Ended]:
    """As `sweep_jobs.run_jobs`, each job a Ray task of one CPU; `at_once` is how many CPUs a Ray of our own gets.

    A Ray that runs already (RAY_ADDRESS) is joined. On other machines the data root and the logs must be at the same
    place, and Flatline installed.
    """
    ray = check_ray()
    mine = not ray.is_initialized()
    if mine:
        _join(ray, at_once)
    try:
        return _all(ray, jobs, told, started)
    finally:
        if mine:
            ray.shutdown()


def _join(ray: Any, at_once: int) -> None:
    quiet: dict[str, Any] = {"include_dashboard": False, "log_to_driver": False, "logging_level": "ERROR"}
    if os.environ.get("RAY_ADDRESS"):
        ray.init(log_to_driver=False, logging_level="ERROR")
    else:
        ray.init(num_cpus=at_once, **quiet)


def _all(ray: Any, jobs: Sequence[Job], told: Told, started: Started) -> dict[str, Ended]:
    task = ray.remote(num_cpus=1, max_retries=0)(run_job)
    names = {}
    for job in jobs:
        started(job.name)
        names[task.remote(job)] = job.name
    ended: dict[str, Ended] = {}
    waiting = list(names)
    try:
        while waiting:
            done, waiting = ray.wait(waiting)
            for reference in done:
                ended[names[reference]] = ray.get(reference)
                told(names[reference], ended[names[reference]])
    except BaseException:
        for reference in waiting:
            ray.cancel(reference)  # raises KeyboardInterrupt in the task, which ends its process in order
        if waiting:
            ray.wait(waiting, num_returns=len(waiting), timeout=CANCEL_S)
        raise
    return ended


CANCEL_S = 60.0
"""Seconds for which runs may take to end in order: an iteration, and a checkpoint; ours."""


def run_job(job: Job) -> Ended:
    """Run a job's process to its end, here; a KeyboardInterrupt ends it in order."""
    process = Process(job)
    try:
        while (end := process.ended()) is None:
            time.sleep(LOOK_S)
        return end
    except BaseException:
        process.ask()
        process.wait()
        raise
