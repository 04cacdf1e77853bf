"""What `flatline sweep` does, with what a person sees on the way."""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from ..data.parallel import n_cores
from ..diagnostics.errors import FlatlineError
from .commands import check_writable, embedded_data, prepared
from .display import ERRORS, counting, number
from .network import build_network
from .places import is_remote
from .recipe import DataRecipe
from .sweep import Planned, Sweep, load_sweep, plan
from .sweep_jobs import Ended, Job, run_jobs, terminated_in_order
from .sweep_runs import Standing, is_for, job_of, standing, with_epochs
from .sweep_table import Row, Swept, row_of
from .task import Task


def sweep(
    address: str,
    *,
    data: Path | None,
    logs: Path,
    output: Path,
    seeds: int | None,
    iterations: int | None,
    jobs: int | None,
    engine: str,
) -> Swept:
    """Run what is missing of a sweep, its runs under `logs/<its name>`; without a data root, on the embedded data.

    seeds : so many, instead of those of the sweep
    jobs : runs at a time; None is one a core, or one where they share a GPU
    engine : "local", or "ray"
    Raises FlatlineError before the first iteration for what is wrong with the sweep, a recipe, the data or the folders.
    """
    begun = time.monotonic()
    run = _engine(engine)
    root = embedded_data() if data is None else data
    chosen, planned = _chosen(address, root, seeds, iterations)
    if is_remote(logs):
        raise FlatlineError(f"{logs} is in a store (flatline sweep --logs); give a folder, and copy the runs after")
    place = logs / chosen.name
    check_writable(place)
    stands = _standings(planned, root, place)
    recipes = _made(output / "recipes")
    missing = [one for one in stands if one.what != "finished"]
    at_once = min(len(missing), jobs or _at_once()) or 1
    work = [job_of(one, recipes, root, max(1, n_cores() // at_once)) for one in missing]
    place.mkdir(parents=True, exist_ok=True)
    ended = _worked(run, work, stands, at_once)
    rows = [_row(one, ended.get(one.planned.name)) for one in stands]
    pairs = list(zip(stands, rows, strict=True))
    runs = [row for one, row in pairs if not one.planned.is_range_test]
    tests = [row for one, row in pairs if one.planned.is_range_test]
    return Swept(chosen, root, place, runs, tests, time.monotonic() - begun)


Engine = Callable[..., dict[str, Ended]]


def _engine(name: str) -> Engine:
    if name == "local":
        return run_jobs
    from .sweep_ray import check_ray, run_on_ray

    check_ray()
    return run_on_ray


def _chosen(address: str, root: Path, seeds: int | None, iterations: int | None) -> tuple[Sweep, list[Planned]]:
    """The sweep that is meant for the data, and its runs."""
    chosen, folder = load_sweep(address)
    if chosen.for_data is not None and is_for(chosen.for_data, root):
        other = chosen.for_data.sweep
        chosen, folder = load_sweep(folder / f"{other}.yaml" if (folder / f"{other}.yaml").is_file() else other)
        ERRORS.print(f"sweep {chosen.name}, which is for data of this sample rate", soft_wrap=True)
    if seeds is not None:
        chosen = replace(chosen, seeds=list(range(seeds)))
    return chosen, plan(chosen, folder, iterations=iterations)


def _standings(planned: list[Planned], root: Path, logs: Path) -> list[Standing]:
    """What is there of each run; data are loaded, and networks built, before any is trained."""
    tasks: dict[tuple[DataRecipe, int, int], Task] = {}
    stands = []
    for one in planned:
        key = (one.recipe.data, one.recipe.seed, one.recipe.batch_size)
        if key not in tasks:
            tasks[key] = prepared(one.recipe, root)
        task = tasks[key]
        build_network(one.recipe, len(task.clipset.classes), task.settings.n_mels)
        stands.append(standing(with_epochs(one, task), task, logs))
    return stands


def _made(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FlatlineError(f"{folder} cannot be made ({error.strerror}, flatline sweep -o); name another") from None
    return folder


def _at_once() -> int:
    """Runs at a time: small nets gain little from a second thread; a GPU's memory is for one."""
    import torch

    return 1 if torch.cuda.is_available() else n_cores()


def _worked(run: Engine, work: list[Job], stands: list[Standing], at_once: int) -> dict[str, Ended]:
    """Run the jobs, with a line as each starts and ends."""
    n_there = len(stands) - len(work)
    if n_there:
        ERRORS.print(f"{n_there} of {len(stands)} runs are finished already", soft_wrap=True)
    by_name = {one.planned.name: one for one in stands}
    since: dict[str, float] = {}
    n_ended = [0]
    with counting("runs of the sweep") as progress, terminated_in_order():

        def started(name: str) -> None:
            since[name] = time.monotonic()
            ERRORS.print(f"{name} {'goes on' if by_name[name].what == 'interrupted' else 'starts'}", soft_wrap=True)

        def told(name: str, end: Ended) -> None:
            n_ended[0] += 1
            ERRORS.print(_ending(by_name[name], end, time.monotonic() - since[name]), soft_wrap=True)
            progress(n_ended[0], len(work))

        return run(work, at_once, told, started) if work else {}


def _ending(stands: Standing, end: Ended, seconds: float) -> str:
    row = _row(stands, end)
    if row.failed is not None:
        return f"{row.name} fails after {seconds:.0f} s: {row.failed}"
    if stands.planned.is_range_test:
        return f"{row.name} ends after {seconds:.0f} s"
    scores = f"lwlrap {number(row.lwlrap)} (chance {number(row.chance)}, constant {number(row.constant)})"
    return f"{row.name} ends: {scores} after {seconds:.0f} s"


def _row(stands: Standing, end: Ended | None) -> Row:
    return row_of(stands.planned, stands.path, end.said if end is not None and end.failed else None)
