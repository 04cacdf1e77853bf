"""What `flatline localise` does, and what a person sees of it."""

import math
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..diagnostics.attribution.names import DEFAULT_BASELINE, DEFAULT_METHOD, check_names
from .display import ERRORS, counting, fitted, number, stdout
from .jsons import to_json
from .localisation_store import ALL, ATTENTION, Localised, Score, rows_of
from .run import Run

GIVEN_UP = {"threshold": 14, "pairs": 14, "PSDS": 14, "network": 14}
"""Columns of the tables that a narrow terminal does not show (see `fitted`)."""


def localise(
    names: Sequence[str],
    methods: Sequence[str],
    *,
    logs: Path,
    data: Path | None,
    events: Path | None,
    n_clips: int | None,
    iteration: int | None,
) -> list[Localised]:
    """Each run's table, with a bar over its clips; what a call has done before it is interrupted the next one finds."""
    runs, asked = [Run(name, logs) for name in names], methods or [DEFAULT_METHOD]
    check_names(asked, DEFAULT_BASELINE)  # known before torch is imported
    from .attributing import check_run
    from .commands import data_of
    from .localising import localise as of_run

    for run in runs:  # before minutes of work on the first
        check_run(run)
    roots = [data_of(run) if data is None else data for run in runs]
    found = []
    for run, root in zip(runs, roots, strict=True):
        with counting(f"clips of {run.name}") as progress:
            try:
                found.append(
                    of_run(
                        run, asked, root=root, events=events, n_clips=n_clips, iteration=iteration, progress=progress
                    )
                )
            except KeyboardInterrupt:
                ERRORS.print(f"what was found of {run.name} is kept; the same command goes on from there")
                raise
    return found


def print_localised(found: Sequence[Localised], *, as_json: bool) -> None:
    """JSON, or the tables and what must be known of them."""
    if as_json:
        print(to_json(rows_of(found), indent=1))
        return
    console = stdout()
    if len(found) == 1:
        _print_one(console, found[0])
    else:
        console.print(runs_table(found, console.width))
    for one in found:
        for words in [*nothing_said(one), *one.notes]:
            console.print(Text(words if len(found) == 1 else f"{Path(one.run).name}: {words}"), soft_wrap=True)


def _print_one(console: Console, found: Localised) -> None:
    title = (
        f"{Path(found.run).name} at iteration {found.iteration}: {found.clips} of {found.clips_there} clips with true "
        f"onsets, {_pairs(found)} pairs of a clip and a class in it"
    )
    console.print(Text(title, "italic"), soft_wrap=True)
    console.print(ways_table(found, console.width))
    console.print(Text(f"The clip's loudest frame lies in the class's events in {found.loudest:.3f} of the pairs."))
    console.print(Text("\nPointing game by class", "italic"))
    console.print(classes_table(found, console.width))


def ways_table(found: Localised, width: int) -> Table:
    """A run's scores over all classes, for a terminal of that many characters."""
    rows = [row for row in found.rows if row.class_name == ALL]
    columns = {
        "by": [_by(found, row) for row in rows],
        **_scores(rows),
        "threshold": [Text(", ".join(f"{share:.2f}" for share in found.thresholds.get(row.by, []))) for row in rows],
    }
    return fitted(columns, width, given_up=GIVEN_UP, right=[name for name in columns if name != "by"])


def classes_table(found: Localised, width: int) -> Table:
    """Pointing game by class and way, beside chance."""
    classes = [row for row in found.rows if row.class_name != ALL and row.by == found.ways[0]]
    columns = {
        "class": [Text(row.class_name) for row in classes],
        "pairs": [Text(str(row.pairs)) for row in classes],
        "chance": [Text(number(row.chance)) for row in classes],
    }
    columns |= {by: [_pointing(found.score(by, row.class_name)) for row in classes] for by in found.ways}
    return fitted(columns, width, given_up=GIVEN_UP, right=[name for name in columns if name != "class"])


def runs_table(found: Sequence[Localised], width: int) -> Table:
    """Several runs' scores over all classes, one below the other."""
    pairs = [(one, row) for one in found for row in one.rows if row.class_name == ALL]
    columns = {
        "run": [Text(Path(one.run).name) for one, _ in pairs],
        "network": [Text(_network(one)) for one, _ in pairs],
        "by": [_by(one, row) for one, row in pairs],
        **_scores([row for _, row in pairs]),
    }
    right = [name for name in columns if name not in ("run", "network", "by")]
    return fitted(columns, width, given_up=GIVEN_UP, right=right)


def nothing_said(found: Localised) -> list[str]:
    """Sentences on attributions that carry no information."""
    said = []
    for row in found.rows:
        if row.class_name != ALL or row.informative is None or row.informative == row.pairs:
            continue
        if row.informative:
            nothing = row.pairs - row.informative
            why = f"{nothing} of {row.pairs} attributions by {row.by} carry no information; no frame of theirs counts"
        else:
            why = (
                f"nothing to localise: none of {row.pairs} attributions by {row.by} carries information, for the "
                "network gives one answer whatever it hears, and its own maps serve nothing"
            )
        said.append(why)
    return said


def _scores(rows: Sequence[Score]) -> dict[str, list[Text]]:
    return {
        "pointing\ngame": [Text(number(row.pointing_game), "bold") for row in rows],
        "chance": [Text(number(row.chance)) for row in rows],
        "frame\nF1": [Text(number(row.frame_f1)) for row in rows],
        "event\nF1": [Text(number(row.event_f1)) for row in rows],
        "PSDS": [Text(number(row.psds)) for row in rows],
        "say\nsomething": [_informative(row) for row in rows],
    }


def _by(found: Localised, row: Score) -> Text:
    path = found.maps.get(row.by)
    other = path is not None and path.rpartition(".")[2] != row.by
    return Text(f"{row.by} ({path})" if other else row.by)


def _informative(row: Score) -> Text:
    if row.informative is None:
        return Text("–")
    return Text(f"{row.informative} of {row.pairs}", "" if row.informative else "red")


def _pointing(row: Score | None) -> Text:
    return Text(number(math.nan if row is None else row.pointing_game))


def _network(found: Localised) -> str:
    model = Run(found.run).recipe.get("model") or {}
    return f"{model.get('architecture', '–')}, {'with' if ATTENTION in found.maps else 'no'} attention"


def _pairs(found: Localised) -> int:
    return max((row.pairs for row in found.rows if row.class_name == ALL), default=0)
