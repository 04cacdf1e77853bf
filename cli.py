"""The command `flatline`: arguments in, one call, exit code out. Heavy imports wait for the command that needs them."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

DONE, FAILED, BAD_INPUT, SICK, INTERRUPTED = 0, 1, 2, 3, 130
LOGS = Path("logs")
LOGS_HELP = "folder of the runs, or an address such as s3://bucket/logs (default: logs)"

RUNS = ("export", "import", "prune")
"""Commands that begin with `runs`, which is one of its own."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code (0 done, 1 failed, 2 bad usage or input, 3 critical, 130 interrupted)."""
    arguments = parser().parse_args(_joined(sys.argv[1:] if argv is None else list(argv)))
    try:
        return arguments.run(arguments)
    except KeyboardInterrupt:
        return say("interrupted", INTERRUPTED)
    except BrokenPipeError:  # `flatline runs | head`
        sys.stderr.close()
        return DONE
    except ValueError as error:
        if not type(error).__module__.startswith("flatline."):
            raise
        return say(str(error), getattr(error, "exit_code", BAD_INPUT))


def _joined(argv: list[str]) -> list[str]:
    """`runs export` as one word: argparse cannot tell it from `runs LOGS`."""
    words = argv[:2]
    return [" ".join(words), *argv[2:]] if words in (["runs", which] for which in RUNS) else argv


def parser() -> argparse.ArgumentParser:
    """Every command with its options."""
    from . import __version__
    from .cli_attribution import add_attribution
    from .cli_experiments import add_experiments
    from .cli_reading import add_reading
    from .cli_revive import add_revive

    top = argparse.ArgumentParser(prog="flatline", description="Find out why a recurrent network stopped learning.")
    top.add_argument("--version", action="version", version=f"flatline {__version__}")
    commands = top.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _add_training(commands)
    _add_ablate(commands)
    _add_dashboard(commands)
    add_reading(commands)
    add_attribution(commands)
    add_revive(commands)
    add_experiments(commands)
    _add_data(commands)
    return top


def _add_training(commands: Any) -> None:
    train = command(commands, "train", _train, "train by a recipe, recorded; the last line printed is the run's folder")
    train.add_argument(
        "recipe", nargs="?", metavar="RECIPE", help="a built-in name (`flatline recipes`) or a YAML file"
    )
    train.add_argument("--data", type=Path, metavar="ROOT", help="data root; left out, the run's or the embedded data")
    train.add_argument("--resume", metavar="RUN", help="go on with a run that was interrupted; needs no RECIPE")
    train.add_argument("--name", help="name of the run's folder; left out, the recipe's, numbered if taken")
    train.add_argument("--iterations", type=int, metavar="N")
    train.add_argument("--seed", type=int, metavar="N")
    train.add_argument(
        "--set", nargs="+", action="extend", default=[], metavar="key=value", help="change any key of the recipe"
    )
    train.add_argument("--stop-on", choices=["critical"], help="end at a critical finding, with exit code 3")
    _add_check(commands)
    predict = command(commands, "predict", _predict, "score clips, in Kaggle's submission form")
    predict.add_argument("name", metavar="RUN", help="a folder, or a name under the logs")
    predict.add_argument("--data", type=Path, metavar="ROOT", required=True, help="data root or folder of audio files")
    predict.add_argument("-o", "--output", type=Path, metavar="FILE", default=Path("submission.csv"))
    predict.add_argument("--skip-bad", action="store_true", help="leave out clips that cannot be read, and say which")
    demo = command(commands, "demo", _demo, "the story on the embedded data, then the dashboard")
    demo.add_argument("--quick", action="store_true", help="four runs of 250 iterations, not six of 350, and no cures")
    demo.add_argument("--no-serve", action="store_true", help="end with what came of it")
    _add_address(demo)
    for trainer in (train, predict, demo):
        add_logs(trainer)


def _add_check(commands: Any) -> None:
    summary = "say what is wrong with a recipe before its first iteration; ends with 3 where that is critical"
    check = command(commands, "check", _check, summary)
    check.add_argument("recipe", metavar="RECIPE", help="a built-in name (`flatline recipes`) or a YAML file")
    check.add_argument("--data", type=Path, metavar="ROOT", help="data root; left out, the embedded data")
    check.add_argument("--seed", type=int, metavar="N")
    check.add_argument(
        "--set", nargs="+", action="extend", default=[], metavar="key=value", help="change any key of the recipe"
    )
    check.add_argument("--json", action="store_true", help="print JSON and nothing else")


def _add_ablate(commands: Any) -> None:
    summary = "say what each part of a run's network carries of its score, and keep it in the run"
    ablate = command(commands, "ablate", _ablate, summary)
    ablate.add_argument("name", metavar="RUN", help="a folder, or a name under the logs")
    ablate.add_argument("--data", type=Path, metavar="ROOT", help="data root; left out, where the run was trained")
    ablate.add_argument("--checkpoint", choices=["last", "best"], default="last", help="which weights (default: last)")
    ablate.add_argument("--json", action="store_true", help="print JSON and nothing else")
    add_logs(ablate)


def _add_dashboard(commands: Any) -> None:
    dashboard = command(commands, "dashboard", _dashboard, "serve the dashboard")
    dashboard.add_argument("logs", nargs="?", type=as_place, default=LOGS, metavar="LOGS", help=LOGS_HELP)
    _add_address(dashboard)


def _add_data(commands: Any) -> None:
    data = commands.add_parser("data", help="check a data set, or make the embedded one")
    inner = data.add_subparsers(title="commands", required=True, metavar="COMMAND")
    check = command(inner, "check", _data_check, "list everything that is wrong with a data set")
    check.add_argument("root", type=Path, metavar="ROOT")
    check.add_argument("--json", action="store_true", help="print JSON and nothing else")
    make = command(inner, "make", _data_make, "write the embedded data set in the Kaggle layout")
    make.add_argument("directory", type=Path, metavar="DIR")
    make.add_argument("--seed", type=int, default=0, metavar="N")


def command(commands: Any, name: str, run: Any, summary: str) -> argparse.ArgumentParser:
    """Add a command that calls `run` with the arguments; what it returns is the exit code."""
    added = commands.add_parser(name, help=summary, description=summary[0].upper() + summary[1:] + ".")
    added.set_defaults(run=run)
    return added


def as_place(text: str) -> Path:
    """A folder, or an address in a store."""
    if "://" not in text:
        return Path(text)
    from .runs.places import place

    return place(text)


def add_logs(reader: argparse.ArgumentParser) -> None:
    """Add `--logs`, the folder under which runs have names."""
    reader.add_argument("--logs", type=as_place, default=LOGS, metavar="DIR", help=LOGS_HELP)


def _add_address(server: argparse.ArgumentParser) -> None:
    server.add_argument("--host", default="127.0.0.1")
    server.add_argument("--port", type=int, default=8050)


def _train(arguments: argparse.Namespace) -> int:
    from .runs.commands import train

    trained = train(
        arguments.recipe,
        data=arguments.data,
        logs=arguments.logs,
        name=arguments.name,
        settings=arguments.set,
        iterations=arguments.iterations,
        seed=arguments.seed,
        resume=arguments.resume,
        stop_on=arguments.stop_on,
    )
    if trained.stopped_by is not None:
        say(f"stopped at a critical finding: {trained.stopped_by}; `flatline diagnose` says more", SICK)
    if trained.status == "interrupted" and trained.stopped_by is None:
        say(f"interrupted; `flatline train --resume {trained.path}` goes on", INTERRUPTED)
    print(trained.path.resolve())
    if trained.stopped_by is not None:
        return SICK
    return INTERRUPTED if trained.status == "interrupted" else DONE


def _check(arguments: argparse.Namespace) -> int:
    from .runs.commands import check

    recipe, checked = check(arguments.recipe, data=arguments.data, settings=arguments.set, seed=arguments.seed)
    if arguments.json:
        from .runs.check import to_json

        print_json(to_json(recipe, checked))
    else:
        from .runs.check import report
        from .runs.display import stdout

        stdout().print(report(recipe, checked))
    return DONE if checked.ok else SICK


def _predict(arguments: argparse.Namespace) -> int:
    from .runs.commands import predict

    predict(arguments.name, arguments.logs, arguments.data, arguments.output, skip_bad=arguments.skip_bad)
    print(arguments.output.resolve())
    return DONE


def _demo(arguments: argparse.Namespace) -> int:
    from .dashboard.serving import check_port
    from .runs.commands import demo

    if not arguments.no_serve:  # known now rather than after minutes of training
        check_port(arguments.host, arguments.port)
    names = demo(arguments.logs, quick=arguments.quick)
    return DONE if arguments.no_serve else _serve(arguments, names)


def _dashboard(arguments: argparse.Namespace) -> int:
    if arguments.logs.exists() and not arguments.logs.is_dir():
        return say(f"{arguments.logs} is a file; give the folder that holds the runs", BAD_INPUT)
    return _serve(arguments)


def _serve(arguments: argparse.Namespace, compared: Sequence[str] = ()) -> int:
    """Serve the dashboard. compared : runs whose comparison is opened in a browser where there is a screen."""
    from .dashboard.app import serve

    def ready(address: str) -> None:
        print(f"The dashboard is at {address} (Ctrl-C ends it).", flush=True)
        if compared:
            from .dashboard.addresses import compare_address
            from .dashboard.screen import open_on_screen

            page = address.rstrip("/") + compare_address(compared)
            print(f"Side by side: {page}", flush=True)
            open_on_screen(page)

    try:
        serve(arguments.logs, arguments.host, arguments.port, ready)
    except KeyboardInterrupt:  # how a server is meant to end
        print()
    return DONE


def _ablate(arguments: argparse.Namespace) -> int:
    from .runs.ablate import print_ablated
    from .runs.commands import ablate

    ablated = ablate(arguments.name, arguments.logs, data=arguments.data, checkpoint=arguments.checkpoint)
    print_ablated(ablated, as_json=arguments.json)
    return DONE


def _data_check(arguments: argparse.Namespace) -> int:
    from .runs.commands import check_data

    problems = check_data(arguments.root)
    faults = [problem for problem in problems if not problem.note]
    if arguments.json:
        print_json([{**vars(problem), "file": str(Path(problem.file).resolve())} for problem in problems])
    else:
        print(*problems, sep="\n", end="\n" if problems else "")
        print(f"{_count(len(faults), 'problem')}, {_count(len(problems) - len(faults), 'note')} in {arguments.root}")
    return FAILED if faults else DONE


def _data_make(arguments: argparse.Namespace) -> int:
    from .runs.commands import make_data

    print(make_data(arguments.directory, arguments.seed).resolve())
    return DONE


def _count(n: int, what: str) -> str:
    return f"{n} {what}" if n == 1 else f"{n} {what}s"


def print_json(value: Any) -> int:
    """Print a value as JSON; returns the exit code."""
    print(json.dumps(value, indent=1))
    return DONE


def say(message: str, code: int) -> int:
    """Print one message to stderr; returns the exit code."""
    print(f"flatline: {message}", file=sys.stderr)
    return code
