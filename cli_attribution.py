"""`flatline attribute`; like `cli`, it imports what it needs when run."""

import argparse
from pathlib import Path
from typing import Any

from .cli import DONE, add_logs, command


def add_attribution(commands: Any) -> None:
    """Add `attribute` to the parser's commands."""
    summary = "say which parts of a clip moved a class's output, and keep it in the run"
    attribute = command(commands, "attribute", _attribute, summary)
    attribute.add_argument("name", metavar="RUN", help="a folder, or a name under the logs")
    attribute.add_argument("clip", metavar="CLIP", help="a clip of the run or its data, or any audio file")
    attribute.add_argument(
        "--class",
        dest="wanted",
        default="top",
        metavar="CLASS",
        help="a class, or top (the best-scored; default), true (the clip's labels) or all",
    )
    attribute.add_argument(
        "--method",
        nargs="+",
        action="extend",
        default=[],
        metavar="M",
        help="integrated-gradients (default) or others of docs/attribution.md",
    )
    attribute.add_argument("--iteration", type=int, metavar="N", help="weights of that checkpoint; default: the best")
    attribute.add_argument("--data", type=Path, metavar="ROOT", help="data root; left out, where the run was trained")
    attribute.add_argument(
        "--baseline", default="silence", metavar="B", help="silence (default), mean (of the training clips) or blurred"
    )
    attribute.add_argument("--of", choices=["logits", "probabilities"], help="default: what the network gives")
    attribute.add_argument(
        "--noise", type=_count, default=0, metavar="N", help="average a gradient over N noisy copies of the clip"
    )
    attribute.add_argument("--json", action="store_true", help="print JSON and nothing else")
    add_logs(attribute)


def _attribute(arguments: argparse.Namespace) -> int:
    from .runs.attribution_command import attribute, print_attributed

    found = attribute(
        arguments.name,
        arguments.clip,
        arguments.wanted,
        arguments.method,
        logs=arguments.logs,
        iteration=arguments.iteration,
        data=arguments.data,
        baseline=arguments.baseline,
        of=arguments.of,
        noise=arguments.noise,
    )
    print_attributed(found, as_json=arguments.json)
    return DONE


def _count(text: str) -> int:
    n = int(text)
    if not 0 <= n <= 1000:
        raise argparse.ArgumentTypeError(f"{n} is not between 0 and 1000")
    return n
