"""`flatline attribute` and `flatline localise`; like `cli`, it imports what it needs when run."""

import argparse
from pathlib import Path
from typing import Any

from .cli import BAD_INPUT, DONE, add_logs, command, say


def add_attribution(commands: Any) -> None:
    """Add `attribute` and `localise` to the parser's commands."""
    _add_attribute(commands)
    _add_localise(commands)


def _add_attribute(commands: Any) -> None:
    summary = "say which parts of a clip moved a class's output, and keep it in the run"
    attribute = command(commands, "attribute", _attribute, summary)
    attribute.add_argument("name", metavar="RUN", help="a folder, or a name under the logs")
    attribute.add_argument(
        "clip", nargs="?", metavar="CLIP", help="a clip of the run or its data, or any audio file (or --all-clips)"
    )
    attribute.add_argument(
        "--all-clips",
        action="store_true",
        help="every clip that the run was evaluated on; Ctrl-C, and the same command goes on",
    )
    attribute.add_argument(
        "--class",
        dest="wanted",
        metavar="CLASS",
        help="a class, top (the best-scored; the default of a CLIP), true (the labels; of --all-clips), or all",
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


def _add_localise(commands: Any) -> None:
    summary = "score a run's maps and attributions against true onsets, and keep the table in the run"
    localise = command(commands, "localise", _localise, summary)
    localise.add_argument("names", nargs="+", metavar="RUN", help="a folder, or a name under the logs")
    localise.add_argument(
        "--data", type=Path, metavar="ROOT", help="data root with an events.csv; left out, where the run was trained"
    )
    localise.add_argument(
        "--events", type=Path, metavar="FILE", help="table of true onsets, CSV or TSV (default: ROOT/events.csv)"
    )
    localise.add_argument(
        "--method",
        nargs="+",
        action="extend",
        default=[],
        metavar="M",
        help="attributions beside the run's own maps: integrated-gradients (default) or others of docs/attribution.md",
    )
    which = localise.add_mutually_exclusive_group()
    which.add_argument("--all-clips", action="store_true", help="every clip; Ctrl-C, and the same command goes on")
    which.add_argument(
        "--clips", type=_clips, default=50, metavar="N", help="so many clips, evenly spaced (default: %(default)s)"
    )
    localise.add_argument("--iteration", type=int, metavar="N", help="weights of that checkpoint; default: the best")
    localise.add_argument("--json", action="store_true", help="print JSON and nothing else")
    add_logs(localise)


def _localise(arguments: argparse.Namespace) -> int:
    from .runs.localise_command import localise, print_localised

    found = localise(
        arguments.names,
        arguments.method,
        logs=arguments.logs,
        data=arguments.data,
        events=arguments.events,
        n_clips=None if arguments.all_clips else arguments.clips,
        iteration=arguments.iteration,
    )
    print_localised(found, as_json=arguments.json)
    return DONE


def _clips(text: str) -> int:
    n = int(text)
    if n < 1:
        raise argparse.ArgumentTypeError(f"{n} is no number of clips; give 1 or more")
    return n


def _attribute(arguments: argparse.Namespace) -> int:
    from .runs.attribution_command import attribute, attribute_all, print_all, print_attributed

    names = ("logs", "iteration", "data", "baseline", "of", "noise")
    given: dict[str, Any] = {name: getattr(arguments, name) for name in names}
    run, clip, methods = arguments.name, arguments.clip, arguments.method
    if (clip is None) != arguments.all_clips:
        return say(f"give a CLIP or --all-clips, not {'both' if clip else 'neither'} (flatline attribute)", BAD_INPUT)
    if clip is None:
        print_all(attribute_all(run, arguments.wanted or "true", methods, **given), as_json=arguments.json)
    else:
        print_attributed(attribute(run, clip, arguments.wanted or "top", methods, **given), as_json=arguments.json)
    return DONE


def _count(text: str) -> int:
    n = int(text)
    if not 0 <= n <= 1000:
        raise argparse.ArgumentTypeError(f"{n} is not between 0 and 1000")
    return n
