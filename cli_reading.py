"""The commands that read what was recorded, and list what there is; like `cli`, they import what they need when run."""

import argparse
from pathlib import Path
from typing import Any

from .cli import DONE, LOGS_HELP, SICK, add_logs, as_place, command, print_json


def add_reading(commands: Any) -> None:
    """Add the commands that read runs, recipes and models to those of the parser."""
    diagnose = command(commands, "diagnose", _diagnose, "say what collapsed in a run, when, why, and what to do")
    diagnose.add_argument("name", metavar="RUN", help="a folder, or a name under the logs")
    diagnose.add_argument("--check", action="store_true", help="end with 3 if the run has collapsed")
    form = diagnose.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print JSON and nothing else")
    form.add_argument("--markdown", action="store_true", help="print Markdown, for an issue tracker")
    add_logs(diagnose)
    _add_compare(commands)
    runs = command(commands, "runs", _runs, "list the runs")
    runs.add_argument("logs", nargs="?", type=as_place, metavar="LOGS", help=LOGS_HELP)
    export = command(commands, "runs export", _export, "write a run in another form")
    export.add_argument("name", metavar="RUN", help="a folder, or a name under the logs")
    export.add_argument(
        "--format",
        choices=["parquet", "csv", "tensorboard"],
        required=True,
        help="parquet: one file of lists; csv: a column a number; tensorboard: an event file of scalars",
    )
    export.add_argument("-o", "--output", type=Path, metavar="DIR", help="folder (default: FORMAT/RUN)")
    bring = command(commands, "runs import", _import, "make a run of TensorBoard's scalars, to look at it")
    bring.add_argument("events", type=Path, metavar="EVENTS", help="an event file, or the folder of one run")
    bring.add_argument("--name", help="name of the run's folder; left out, that of the events', numbered if taken")
    for reader in (export, bring):
        add_logs(reader)
    _add_prune(commands)
    command(commands, "recipes", _recipes, "list the built-in recipes")
    command(commands, "models", _models, "list architectures, heads and their options")
    for name in ("runs", "recipes", "models"):
        commands.choices[name].add_argument("--json", action="store_true", help="print JSON and nothing else")


def _add_compare(commands: Any) -> None:
    compare = command(commands, "compare", _compare, "put runs side by side: verdicts, scores, what differs in recipes")
    compare.add_argument("--json", action="store_true", help="print JSON and nothing else")
    summary = "write one page with the verdicts and figures of runs, which opens without a server"
    report = command(commands, "report", _report, summary)
    report.add_argument("-o", "--output", type=Path, metavar="FILE", default=Path("report.html"))
    for reader in (compare, report):
        reader.add_argument("names", nargs="+", metavar="RUN", help="a folder, or a name under the logs")
        add_logs(reader)


def _add_prune(commands: Any) -> None:
    prune = command(commands, "runs prune", _prune, "delete runs, or parts of them, that every given condition fits")
    prune.add_argument("logs", nargs="?", type=as_place, metavar="LOGS", help=LOGS_HELP)
    prune.add_argument("--name", action="append", default=[], metavar="GLOB", help="runs of such a name ('story-*')")
    prune.add_argument("--state", action="append", default=[], choices=["finished", "interrupted", "failed"])
    prune.add_argument("--older-than", type=_positive(float), metavar="DAYS", help="runs that ended so long ago")
    prune.add_argument("--keep", type=_positive(int), metavar="N", help="spare the newest N of those that fit")
    prune.add_argument("--maps", action="store_true", help="delete only their maps")
    prune.add_argument("--checkpoints", action="store_true", help="delete only their checkpoints")
    prune.add_argument("--dry-run", action="store_true", help="list what would go, and end")
    prune.add_argument("--yes", action="store_true", help="do not ask")


def _positive(kind: Any) -> Any:
    def number(text: str) -> Any:
        value = kind(text)
        if not value >= 0:
            raise ValueError
        return value

    number.__name__ = "number"  # what argparse calls it
    return number


def _diagnose(arguments: argparse.Namespace) -> int:
    from .runs import diagnosing
    from .runs.summary import judge

    run = diagnosing.ReadOnce(arguments.name, arguments.logs)
    diagnosis = judge(run)
    if arguments.json:
        print_json(diagnosing.as_dict(run, diagnosis))
    elif arguments.markdown:
        print(diagnosing.as_markdown(run, diagnosis), end="")
    else:
        from .runs.display import stdout

        stdout().print(diagnosing.as_text(run, diagnosis))
    return SICK if arguments.check and diagnosis.verdict == "collapsed" else DONE


def _compare(arguments: argparse.Namespace) -> int:
    from .runs.compare_table import print_comparison
    from .runs.standing import compare

    print_comparison(compare(arguments.names, arguments.logs), as_json=arguments.json)
    return DONE


def _report(arguments: argparse.Namespace) -> int:
    from .dashboard.report import write_report
    from .runs.run import Run

    runs = [Run(name, arguments.logs) for name in arguments.names]
    print(write_report(runs, arguments.output).resolve())
    return DONE


def _runs(arguments: argparse.Namespace) -> int:
    from .runs.runs_table import print_runs

    print_runs(arguments.logs, as_json=arguments.json)
    return DONE


def _export(arguments: argparse.Namespace) -> int:
    from .runs.table_export import export

    print(export(arguments.name, arguments.logs, arguments.format, arguments.output).resolve())
    return DONE


def _prune(arguments: argparse.Namespace) -> int:
    from .runs.pruning import Choice
    from .runs.pruning_table import prune

    parts = [part for part in ("maps", "checkpoints") if getattr(arguments, part)]
    choice = Choice(arguments.name, arguments.state, arguments.older_than, arguments.keep, parts)
    prune(arguments.logs, choice, dry_run=arguments.dry_run, yes=arguments.yes)
    return DONE


def _import(arguments: argparse.Namespace) -> int:
    from .runs.commands import import_events

    print(import_events(arguments.events, arguments.logs, arguments.name).resolve())
    return DONE


def _recipes(arguments: argparse.Namespace) -> int:
    from .runs.recipe import load_recipe, recipe_names

    recipes = [load_recipe(name) for name in recipe_names()]
    if arguments.json:
        return print_json([recipe.to_dict() for recipe in recipes])
    for recipe in recipes:
        print(f"{recipe.name:<40} {recipe.description}")
    return DONE


def _models(arguments: argparse.Namespace) -> int:
    from .models import ARCHITECTURES, HEADS
    from .models.options import options_of

    known = {"architectures": ARCHITECTURES, "heads": HEADS}
    options = {what: {name: options_of(kind) for name, kind in kinds.items()} for what, kinds in known.items()}
    if arguments.json:
        return print_json(options)
    for what, kinds in known.items():
        print(f"{what.capitalize()}:")
        for name, kind in kinds.items():
            summary = (kind.__doc__ or "").strip().splitlines()[0]
            print(f"  {name:<17} {summary}\n{'':<20}options: {', '.join(options[what][name]) or 'none'}")
    return DONE
