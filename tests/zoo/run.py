"""Trains the zoo, judges it, writes docs/zoo.md: `python tests/zoo/run.py [--logs DIR] [--only NAME] [--fresh]`."""

import argparse
import json
import logging
import os
import shutil
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import replace
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import peer
import torch
from faults import FAULTS
from flatline import Run
from judge import Result, Said, of_torchmortem, totals
from plan import PLAN, Planned
from report import page
from tasks import TASKS
from training import prepared, run
from verified import Outcome, does_harm, has_learnt, outcome

PAGE = Path(__file__).parent.parent.parent / "docs" / "zoo.md"

SLOW = ("bands", "chirps")
"""Tasks that come last: a loop that is cut short has most of the zoo."""


def record(planned: Planned, logs: Path, with_peer: bool) -> float:
    """Train one run into `logs/<id>`, torchmortem beside it; without it where it fails, which its file then says."""
    torch.set_num_threads(1)
    logging.disable(logging.CRITICAL)  # the peer's own complaints
    try:
        return _recorded(planned, logs, with_peer)
    except peer.PeerError as fault:
        score = _recorded(planned, logs, False)
        beside(planned, logs).write_text(json.dumps({"findings": [], "note": f"failed: {fault}"}))
        return score


def _recorded(planned: Planned, logs: Path, with_peer: bool) -> float:
    shutil.rmtree(logs / planned.id, ignore_errors=True)
    training = prepared(TASKS[planned.task], planned.options, planned.seed)
    change = FAULTS[planned.fault].change if planned.fault else None
    path = beside(planned, logs)
    made = (lambda: peer.autopsy(training.model, training.optimizer, path)) if with_peer else None
    return run(training, logs / planned.id, change, planned.onset or 0, made)


def beside(planned: Planned, logs: Path) -> Path:
    """Where what torchmortem found stands."""
    return logs / f"{planned.id}.torchmortem.json"


def is_recorded(planned: Planned, logs: Path) -> bool:
    """Whether a finished run stands there."""
    try:
        return json.loads((logs / planned.id / "run.json").read_text())["status"] == "finished"
    except (OSError, KeyError, ValueError):
        return False


def record_all(plans: list[Planned], logs: Path, workers: int, with_peer: bool) -> dict[str, str]:
    """Train what is asked for; what failed, by id."""
    failed: dict[str, str] = {}
    with ProcessPoolExecutor(workers) as pool:
        waiting = {pool.submit(record, planned, logs, with_peer): planned for planned in plans}
        for number, done in enumerate(as_completed(waiting), 1):
            planned = waiting[done]
            fault = done.exception()
            said = f"failed: {type(fault).__name__}: {fault}" if fault else f"lwlrap {done.result():.3f}"
            print(f"[{number}/{len(plans)}] {planned.id}: {said}", file=sys.stderr, flush=True)
            if fault:
                failed[planned.id] = said
    return failed


def truth(planned: Planned) -> dict[str, Any]:
    """What is known of a run, for whoever judges it."""
    fault = FAULTS[planned.fault] if planned.fault else None
    return {
        **{"half": planned.half, "task": planned.task, "architecture": planned.architecture},
        **{"setting": planned.setting, "seed": planned.seed, "fault": planned.fault},
        **{"kinds": list(fault.kinds) if fault else [], "onset": planned.onset, "why": fault.why if fault else ""},
        **{"twin": planned.twin.id if fault else None, "level": "deep"},
    }


def results(plans: Sequence[Planned], logs: Path) -> dict[str, list[Result]]:
    """What was said of the recorded runs, by who said it."""
    from flatline import diagnose

    own, others = [], {f"torchmortem, {least}": [] for least in ("critical", "warning")}
    for planned in plans:
        diagnosis = diagnose(Run(logs / planned.id))
        said = tuple(Said(one.kind, one.severity, one.onset, one.is_active) for one in diagnosis.findings)
        kinds = FAULTS[planned.fault].kinds if planned.fault else ()
        of_run = (planned.id, planned.half, planned.fault, kinds, planned.onset)
        own.append(Result(*of_run, diagnosis.verdict, diagnosis.cause, said))
        if beside(planned, logs).is_file():
            found = json.loads(beside(planned, logs).read_text())["findings"]
            for name, of_peer in others.items():
                of_peer.append(of_torchmortem(own[-1], found, name.split()[-1]))
    return {"flatline": own, **{name: of_peer for name, of_peer in others.items() if of_peer}}


def unfit(plans: Sequence[Planned], outcomes: dict[str, Outcome]) -> dict[str, str]:
    """Runs that are not what the plan says, and why: these would make the totals worthless."""
    wrong = {}
    for planned in plans:
        one, twin = outcomes[planned.id], outcomes[planned.twin.id]
        if planned.fault is None and not has_learnt(one):
            wrong[planned.id] = f"healthy, but has not learnt: {one}"
        if planned.fault is not None and not does_harm(one, twin):
            wrong[planned.id] = f"does no harm: {one}, twin {twin}"
    return wrong


def main(arguments: list[str] | None = None) -> int:
    """Run and judge what is asked for; 1 if a training failed or is not what the plan says."""
    parser = argparse.ArgumentParser(description="Train the zoo of faults and healthy trainings, and judge it.")
    parser.add_argument("--logs", type=Path, default=Path("logs/zoo"), help="default %(default)s")
    parser.add_argument("--only", default="", metavar="NAME", help="runs whose id holds this, and their twins; no page")
    parser.add_argument("--fresh", action="store_true", help="train again what is there already")
    parser.add_argument("--train-only", action="store_true", help="do not judge")
    parser.add_argument("--workers", type=int, default=2, help="trainings at a time; default %(default)s")
    parser.add_argument("--half", choices=["fit", "report"], help="runs of one half alone")
    parser.add_argument(
        "--seeds-from", type=int, default=0, metavar="N", help="add N to every seed: runs nobody has seen"
    )
    parser.add_argument("--page", type=Path, default=PAGE, help="default %(default)s")
    parser.add_argument("--without-peer", action="store_true", help="leave torchmortem out")
    given = parser.parse_args(arguments)
    given.logs.mkdir(parents=True, exist_ok=True)
    plan = [replace(planned, seed=planned.seed + given.seeds_from) for planned in PLAN]
    asked = [planned for planned in plan if given.only in planned.id and given.half in (None, planned.half)]
    asked = list(dict.fromkeys([*asked, *(planned.twin for planned in asked)]))
    todo = [planned for planned in asked if given.fresh or not is_recorded(planned, given.logs)]
    todo.sort(key=lambda planned: planned.task in SLOW)
    (given.logs / "truth.json").write_text(json.dumps({one.id: truth(one) for one in asked}, indent=1))
    failed = record_all(todo, given.logs, given.workers, peer.is_there() and not given.without_peer)
    if failed or given.train_only:
        return int(bool(failed))
    outcomes = {planned.id: outcome(given.logs / planned.id) for planned in asked}
    wrong = unfit(asked, outcomes)
    for name, why in wrong.items():
        print(f"{name}: {why}", file=sys.stderr)
    judged = results(asked, given.logs)
    for name, of_all in judged.items():
        print(name, totals(of_all))
    if not given.only:
        twins = {planned.id: planned.twin.id for planned in asked}
        given.page.write_text(page(judged, outcomes, twins), encoding="utf-8")
        print(f"wrote {given.page}")
    return int(bool(wrong))


if __name__ == "__main__":
    raise SystemExit(main())
