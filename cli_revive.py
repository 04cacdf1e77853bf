"""`flatline revive`; like `cli`, it imports what it needs when run."""

import argparse
import math
import signal
from pathlib import Path
from typing import Any

from .cli import DONE, FAILED, add_logs, command


def add_revive(commands: Any) -> None:
    """Add `revive` to the parser's commands."""
    summary = "try changes on copies of a run, and say which bring it back, by how much, and what then carries it"
    revive = command(commands, "revive", _revive, summary)
    revive.add_argument("name", metavar="RUN", help="a folder, or a name under the logs")
    revive.add_argument("--iterations", type=_positive, metavar="N", help="of every arm; default: the run's own")
    revive.add_argument("--arms", type=_names, metavar="a,b,c", help="try these interventions and no others")
    revive.add_argument(
        "--budget",
        type=_budget,
        metavar="MINUTES",
        help="begin nothing more after so many minutes (5000it: iterations)",
    )
    revive.add_argument("--seeds", type=_positive, default=3, metavar="N", help="of the prescription (default: 3)")
    revive.add_argument("--depth", type=_positive, default=3, metavar="N", help="changes on top of each other, at most")
    revive.add_argument("--jobs", type=_positive, metavar="N", help="arms trained at a time; default: one a core")
    revive.add_argument("--data", type=Path, metavar="ROOT", help="data root; left out, where the run was trained")
    revive.add_argument("--save", type=Path, metavar="FILE.yaml", help="write the prescribed recipe there as well")
    revive.add_argument("--json", action="store_true", help="print JSON and nothing else")
    add_logs(revive)


def _revive(arguments: argparse.Namespace) -> int:
    from .runs.revive.command import revive_run
    from .runs.revive.printing import print_revived
    from .runs.revive.reviving import Budget

    signal.signal(signal.SIGTERM, signal.default_int_handler)  # arms are closed in order, as by Ctrl-C
    revived = revive_run(
        arguments.name,
        arguments.logs,
        iterations=arguments.iterations,
        arms=arguments.arms,
        budget=Budget(**(arguments.budget or {})),
        data=arguments.data,
        seeds=arguments.seeds,
        depth=arguments.depth,
        jobs=arguments.jobs,
        save=arguments.save,
    )
    print_revived(revived, as_json=arguments.json)
    tried = revived.arms[1:]
    return FAILED if tried and all(arm["verdict"] is None for arm in tried) else DONE


def _names(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names:
        raise argparse.ArgumentTypeError("it names no intervention; leave it out to try what the diagnosis names")
    return names


def _positive(text: str) -> int:
    n = int(text)
    if n < 1:
        raise argparse.ArgumentTypeError(f"{n} is less than 1")
    return n


def _budget(text: str) -> dict[str, float]:
    number, is_iterations = (text[:-2], True) if text.endswith("it") else (text.removesuffix("min"), False)
    try:
        value = float(number)
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or not value >= (1 if is_iterations else 1e-9):
        raise argparse.ArgumentTypeError(f"{text} is no budget; give minutes above 0, or iterations as in 5000it")
    return {"iterations": int(value)} if is_iterations else {"minutes": value}
