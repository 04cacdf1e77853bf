"""Cures the zoo by trial, writes docs/zoo-revive.md: `python tests/zoo/revive.py [--half report] [--only NAME]`."""

import argparse
import json
import os
import random
import shutil
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import flatline
import torch
from cures import Cure, cure_of, offered
from faults import FAULTS
from plan import PLAN, Planned
from revive_page import page
from run import is_recorded, record_all
from trial import SWITCHES, trial_of

PAGE = Path(__file__).parent.parent.parent / "docs" / "zoo-revive.md"


def revived(planned: Planned, zoo: Path, logs: Path, is_blind: bool) -> Cure:
    """Try a run of the zoo, a copy of it: nobody tells the trials its fault.

    is_blind : try all there is, whatever the diagnosis says
    """
    torch.set_num_threads(1)
    folder = logs / planned.id
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(zoo / planned.id, folder / planned.id)
    since = time.process_time()
    arms = [one.name for one in offered(SWITCHES)] if is_blind else None
    found = flatline.revive(folder / planned.id, trial=trial_of(planned), own=SWITCHES, arms=arms, seeds=1)
    kinds = FAULTS[planned.fault].kinds if planned.fault else ()
    cure = cure_of(found, planned, kinds, zoo / planned.twin.id, SWITCHES, time.process_time() - since)
    kept(folder).write_text(json.dumps(vars(cure), indent=1))
    return cure


def kept(folder: Path) -> Path:
    """Where what came of a run stands."""
    return folder / "cure.json"


def read(planned: Planned, logs: Path) -> Cure | None:
    """What came of a run; None where it was not tried."""
    try:
        given: dict[str, Any] = json.loads(kept(logs / planned.id).read_text())
        return Cure(**given)
    except (OSError, ValueError, TypeError):
        return None


def revive_all(plans: Sequence[Planned], zoo: Path, logs: Path, workers: int, is_blind: bool) -> int:
    """Try what is asked for; how many failed."""
    failed = 0
    with ProcessPoolExecutor(workers) as pool:
        waiting = {pool.submit(revived, planned, zoo, logs, is_blind): planned for planned in plans}
        for number, done in enumerate(as_completed(waiting), 1):
            fault = done.exception()
            said = f"failed: {type(fault).__name__}: {fault}" if fault else done.result().in_words
            print(f"[{number}/{len(plans)}] {waiting[done].id}: {said}", file=sys.stderr, flush=True)
            failed += bool(fault)
    return failed


def main(arguments: list[str] | None = None) -> int:
    """Try what is asked for; 1 if a trial failed."""
    parser = argparse.ArgumentParser(description="Cure the runs of the zoo by trial.")
    parser.add_argument("--zoo", type=Path, default=Path("logs/zoo"), help="recorded runs; default %(default)s")
    parser.add_argument("--logs", type=Path, default=Path("logs/zoo-revive"), help="default %(default)s")
    parser.add_argument("--only", default="", metavar="NAME", help="runs whose id holds this; no page")
    parser.add_argument("--half", choices=["fit", "report"], help="runs of one half alone")
    parser.add_argument("--fresh", action="store_true", help="try again what was tried already")
    parser.add_argument("--page-only", action="store_true", help="write the page of what was tried")
    parser.add_argument("--blind", action="store_true", help="try all interventions, whatever the diagnosis says")
    parser.add_argument("--first", type=int, metavar="N", help="only so many runs, drawn at random")
    parser.add_argument("--workers", type=int, default=2, help="runs at a time; default %(default)s")
    parser.add_argument("--page", type=Path, default=PAGE, help="default %(default)s")
    given = parser.parse_args(arguments)
    asked = [one for one in PLAN if one.fault and given.only in one.id and given.half in (None, one.half)]
    random.Random(8).shuffle(asked)  # whatever is cut short is a fair part
    failed = 0 if given.page_only else _try(asked[: given.first], given)
    cures, blind = (
        [cure for one in asked if (cure := read(one, logs_of(given, is_blind)))] for is_blind in (False, True)
    )
    if not given.only and cures:
        given.page.write_text(page(cures, len(asked), blind), encoding="utf-8")
        print(f"wrote {given.page}")
    return int(bool(failed))


def logs_of(given: argparse.Namespace, is_blind: bool) -> Path:
    """Where arms are."""
    return given.logs.with_name(f"{given.logs.name}-blind") if is_blind else given.logs


def _try(asked: Sequence[Planned], given: argparse.Namespace) -> int:
    needed = dict.fromkeys([*asked, *(planned.twin for planned in asked)])
    lacking = [planned for planned in needed if not is_recorded(planned, given.zoo)]
    given.zoo.mkdir(parents=True, exist_ok=True)
    logs_of(given, given.blind).mkdir(parents=True, exist_ok=True)
    if record_all(lacking, given.zoo, given.workers, with_peer=False):
        return 1
    todo = [planned for planned in asked if given.fresh or read(planned, logs_of(given, given.blind)) is None]
    return revive_all(todo, given.zoo, logs_of(given, given.blind), given.workers, given.blind)


if __name__ == "__main__":
    raise SystemExit(main())
