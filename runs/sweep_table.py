"""What the runs of a sweep came to: a row a run, and a row for those that differ in their seed only."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table
from rich.text import Text

from ..diagnostics.errors import FlatlineError
from .diagnosing import COLOURS
from .display import fitted, number
from .intervals import half_width
from .run import Run
from .summary import stored_summary, summarise
from .sweep import Planned, Sweep

SCORES = ("lwlrap", "lrap", "chance", "constant")

GIVEN_UP = {"parameters": 30, "seconds\nan epoch": 26, "lrap": 24, "verdict": 12}
"""Columns that a narrow terminal does not show (see `display.fitted`)."""


@dataclass(frozen=True)
class Row:
    """What one run came to, at its last evaluation; NaN and None are what it did not record.

    seconds_per_epoch : of training alone: the median iteration by iterations an epoch
    failed : what a run that failed said last
    """

    name: str
    label: str
    variant: str
    choices: Mapping[str, str]
    seed: int
    run: str
    status: str = "missing"
    lwlrap: float = math.nan
    lrap: float = math.nan
    chance: float = math.nan
    constant: float = math.nan
    verdict: str = "undetermined"
    cause: str | None = None
    seconds_per_epoch: float = math.nan
    iterations: int = 0
    parameters: int | None = None
    failed: str | None = None


@dataclass(frozen=True)
class Summary:
    """Runs of all seeds of one variant: means, and half the width of a 95 % interval of Student's t.

    The half widths are NaN of fewer than two runs.
    verdict : of all, or how many had which
    """

    label: str
    seeds: int
    lwlrap: float
    lwlrap_half: float
    lrap: float
    lrap_half: float
    chance: float
    constant: float
    verdict: str
    cause: str | None
    seconds_per_epoch: float
    parameters: int | None


@dataclass(frozen=True)
class Swept:
    """A sweep that was run: what it was, on which data, where its runs and its recipes are, what came of them."""

    sweep: Sweep
    data: Path
    logs: Path
    rows: list[Row]
    range_tests: list[Row]
    seconds: float

    @property
    def failed(self) -> list[Row]:
        """Runs that did not come to their end."""
        return [row for row in (*self.rows, *self.range_tests) if row.failed is not None]


def row_of(planned: Planned, path: Path, failed: str | None = None) -> Row:
    """The row of a run; of one that is not there or cannot be read, the reason."""
    facts: dict[str, Any] = {name: getattr(planned, name) for name in ("name", "label", "variant", "choices", "seed")}
    facts["run"] = str(path.absolute())
    try:
        run = Run(path)
        last = run.evaluations.iloc[-1] if len(run.evaluations) else {}
        diagnosis = (stored_summary(path) or summarise(run))["diagnosis"]
    except FlatlineError as error:
        return Row(**facts, failed=failed or str(error))
    scores: dict[str, Any] = {name: float(last[name]) if name in last else math.nan for name in SCORES}
    return Row(
        **facts,
        **scores,
        status=run.status,
        verdict=diagnosis["verdict"],
        cause=diagnosis["cause"],
        seconds_per_epoch=seconds_per_epoch(run),
        iterations=len(run),
        parameters=run.info.get("parameter_count"),
        failed=failed,
    )


def seconds_per_epoch(run: Run) -> float:
    """Seconds that an epoch of training takes: the median iteration by iterations an epoch.

    The median, since some iterations have an evaluation after them, or a checkpoint.
    """
    counts, size = (run.info.get("data") or {}).get("counts") or {}, run.recipe.get("batch_size")
    times = run.series("wall_time").to_numpy() if len(run) > 1 else np.empty(0)
    if not counts.get("train") or not size or len(times) < 2:
        return math.nan
    return float(np.nanmedian(np.diff(times)) * (counts["train"] // size))


def summaries(rows: Sequence[Row]) -> list[Summary]:
    """A row for each label, in the order in which they first come."""
    labels = dict.fromkeys(row.label for row in rows)
    return [_summary(label, [row for row in rows if row.label == label]) for label in labels]


def _summary(label: str, rows: Sequence[Row]) -> Summary:
    lwlrap, lrap = ([getattr(row, score) for row in rows] for score in ("lwlrap", "lrap"))
    causes = {row.cause for row in rows}
    return Summary(
        label,
        len(rows),
        _mean(lwlrap),
        half_width(lwlrap),
        _mean(lrap),
        half_width(lrap),
        _mean([row.chance for row in rows]),
        _mean([row.constant for row in rows]),
        _counted([row.verdict for row in rows]),
        causes.pop() if len(causes) == 1 else _counted([row.cause or "none" for row in rows]),
        _mean([row.seconds_per_epoch for row in rows]),
        next((row.parameters for row in rows if row.parameters is not None), None),
    )


def _mean(values: Sequence[float]) -> float:
    """NaN where one of them is missing: a mean of those that did not fail would be of the lucky ones."""
    return float(np.mean(values))


def _counted(words: Sequence[str]) -> str:
    counts = {word: words.count(word) for word in dict.fromkeys(words)}
    return words[0] if len(counts) == 1 else ", ".join(f"{word} ({count})" for word, count in counts.items())


def as_dict(rows: Sequence[Row], report: Path | None, **facts: Any) -> dict[str, Any]:
    """As `flatline sweep --json` prints it."""
    files = {"report": None if report is None else str(report.resolve())}
    return {
        **facts,
        **files,
        "variants": [vars(one) for one in summaries(rows)],
        "runs": [vars(row) for row in rows],
    }


COLUMNS: dict[str, Callable[[Summary], str]] = {
    "run": lambda one: one.label,
    "lwlrap": lambda one: _with_interval(one.lwlrap, one.lwlrap_half),
    "lrap": lambda one: _with_interval(one.lrap, one.lrap_half),
    "chance": lambda one: number(one.chance),
    "constant": lambda one: number(one.constant),
    "seconds\nan epoch": lambda one: number(one.seconds_per_epoch, 1),
    "parameters": lambda one: "–" if one.parameters is None else f"{one.parameters:,}",
    "verdict": lambda one: one.verdict if one.cause is None else f"{one.verdict}: {one.cause}",
}
"""Columns of the table; every score beside what it must be held against."""


def _with_interval(value: float, half: float) -> str:
    return number(value) if math.isnan(half) else f"{number(value)} ± {number(half)}"


def table(rows: Sequence[Row], width: int) -> Table:
    """The sweep as a table, for a terminal of that many characters."""
    made = summaries(rows)
    columns = {heading: [Text(cell(one)) for one in made] for heading, cell in COLUMNS.items()}
    columns["verdict"] = [Text(COLUMNS["verdict"](one), COLOURS.get(one.verdict, "")) for one in made]
    return fitted(columns, width, given_up=GIVEN_UP, right=[heading for heading in columns if heading[0] not in "rv"])


def as_markdown(rows: Sequence[Row]) -> str:
    """The same table in Markdown."""
    heads = [heading.replace("\n", " ") for heading in COLUMNS]
    align = ["---" if head[0] in "rv" else "---:" for head in heads]
    lines = [heads, align, *([cell(one) for cell in COLUMNS.values()] for one in summaries(rows))]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def as_csv(rows: Sequence[Row]) -> str:
    """A line a run; what was not recorded is empty."""
    import pandas as pd

    flat = [{**vars(row), "choices": " ".join(row.choices.values())} for row in rows]
    return pd.DataFrame(flat).to_csv(index=False)


EXPLANATION = """\
chance is a random ranking's lwlrap, constant that of one ranking for all clips by the training prior: a net that is not
above both by .02 has learnt nothing about its input. Its lwlrap by class, sorted, falls as 1, 1/2, 1/3 ...: that is one
ranking for every clip, not one class that was learnt. Seconds an epoch are of training alone, beside the other runs.
"""
"""What stands under the table."""
