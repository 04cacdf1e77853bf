"""`flatline lr-range` and `flatline sweep`; like `cli`, they import what they need when run."""

import argparse
from pathlib import Path
from typing import Any

from .cli import DONE, FAILED, INTERRUPTED, add_logs, command, say


def add_experiments(commands: Any) -> None:
    """Add `lr-range` and `sweep` to the parser's commands."""
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
    _add_sweep(commands)


def _add_sweep(commands: Any) -> None:
    summary = "train many runs, several at a time, and put them side by side; the same command again goes on"
    sweep = command(commands, "sweep", _sweep, summary)
    sweep.add_argument("sweep", metavar="SWEEP", help="a YAML file (docs/sweeps.md), or seed-experiments")
    sweep.add_argument("--data", type=Path, metavar="ROOT", help="data root; left out, the embedded data")
    sweep.add_argument("--seeds", type=_positive, metavar="N", help="seeds 0 to N - 1 (default: the sweep's)")
    sweep.add_argument("--iterations", type=_positive, metavar="N", help="of every run (default: the sweep's)")
    sweep.add_argument("--jobs", type=_positive, metavar="N", help="runs at a time (default: one a core, or a GPU)")
    sweep.add_argument("--engine", choices=["local", "ray"], default="local", help="who runs them (default: local)")
    sweep.add_argument(
        "-o", "--output", type=Path, metavar="DIR", help="folder of tables and charts (default: SWEEP-report)"
    )
    sweep.add_argument("--json", action="store_true", help="print JSON and nothing else")
    add_logs(sweep)


def _positive(text: str) -> int:
    n = int(text)
    if n < 1:
        raise argparse.ArgumentTypeError(f"{n} is not 1 or more")
    return n


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


def _sweep(arguments: argparse.Namespace) -> int:
    from .runs.sweep_command import sweep

    output = arguments.output or Path(f"{Path(arguments.sweep).stem}-report")
    try:
        swept = sweep(
            arguments.sweep,
            data=arguments.data,
            logs=arguments.logs,
            output=output,
            seeds=arguments.seeds,
            iterations=arguments.iterations,
            jobs=arguments.jobs,
            engine=arguments.engine,
        )
    except KeyboardInterrupt:
        return say("interrupted; the same command again goes on where the runs are", INTERRUPTED)
    from .dashboard.sweep_report import write_sweep_report
    from .runs.sweep_output import print_sweep

    page = write_sweep_report(swept, output)
    print_sweep(swept, page, as_json=arguments.json)
    return FAILED if swept.failed else DONE
