"""`flatline lr-range` and `flatline sweep`; like `cli`, they import what they need when run."""

import argparse
from pathlib import Path
from typing import Any

from .cli import DONE, INTERRUPTED, add_logs, command, say


def add_experiments(commands: Any) -> None:
    """Add `lr-range` to the parser's commands."""
    summary = "try learning rates from low to high in one short training, and suggest a range"
    test = command(commands, "lr-range", _lr_range, summary)
    test.add_argument("recipe", metavar="RECIPE", help="a built-in name (`flatline recipes`) or a YAML file")
    test.add_argument("--data", type=Path, metavar="ROOT", help="data root; left out, the embedded data")
    test.add_argument("--from", dest="first", type=float, metavar="RATE", help="lowest rate (default: 1e-6)")
    test.add_argument("--to", dest="last", type=float, metavar="RATE", help="highest rate (default: 1)")
    test.add_argument("--iterations", type=int, metavar="N", help="rates that are tried (default: 200)")
    test.add_argument("--seed", type=int, metavar="N")
    test.add_argument("--name", help="name of the run's folder; left out, RECIPE-lr-range, numbered if taken")
    test.add_argument(
        "--set", nargs="+", action="extend", default=[], metavar="key=value", help="change any key of the recipe"
    )
    test.add_argument("-o", "--output", type=Path, metavar="FILE", help="write the curve as .html, .png or .svg")
    test.add_argument("--json", action="store_true", help="print JSON and nothing else")
    add_logs(test)


def _lr_range(arguments: argparse.Namespace) -> int:
    from .runs.lr_range_command import lr_range
    from .runs.lr_range_text import print_range
    from .runs.run import Run

    if arguments.output is not None:
        from .dashboard.figure_file import check_figure_file

        check_figure_file(arguments.output)
    trained = lr_range(
        arguments.recipe,
        data=arguments.data,
        logs=arguments.logs,
        name=arguments.name,
        settings=arguments.set,
        seed=arguments.seed,
        rates={name: getattr(arguments, name) for name in ("first", "last", "iterations")},
    )
    run = Run(trained.path)
    if arguments.output is not None:
        from .dashboard.figure_file import write_figure
        from .dashboard.figures import lr_range as figure

        write_figure(figure(run), arguments.output)
    print_range(run, arguments.output, as_json=arguments.json)
    if trained.status == "interrupted":
        return say("interrupted; a range test is not gone on with, but begun anew", INTERRUPTED)
    return DONE
