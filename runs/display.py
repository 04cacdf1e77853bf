"""What a person sees while something runs: progress on stderr, tables on stdout."""

import math
import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from .train import Reached

SCORES = ("lwlrap", "chance", "constant")
"""A score, and what it must be held against."""

ERRORS = Console(stderr=True)


def stdout() -> Console:
    """For tables; 140 columns wide where it is no terminal and COLUMNS does not say otherwise."""
    console = Console()
    return console if console.is_terminal or "COLUMNS" in os.environ else Console(width=140)


GAP = 2
"""Characters between the columns of a table."""


def fitted(
    columns: Mapping[str, Sequence[Text]], width: int, *, given_up: Mapping[str, int], right: Collection[str]
) -> Table:
    """A table no wider than the terminal: nothing but the first column is ever broken, and that over several lines.

    width : of the terminal, in characters
    given_up : headings of columns left out where there is no room, in this order, each only while the first column
        would have fewer characters than the number says (and than it needs)
    right : headings of the columns set to the right
    """
    widths = {heading: max(map(cell_len, _lines(heading, cells))) for heading, cells in columns.items()}
    (first, needed), *_ = widths.items()

    def room() -> int:
        return width - sum(widths.values()) + needed - GAP * (len(widths) - 1)

    for heading, least in given_up.items():
        if room() < min(needed, least):
            del widths[heading]
    table = Table(box=box.SIMPLE_HEAD, padding=(0, GAP - 1, 0, 0), show_edge=False, pad_edge=False)
    for heading in widths:
        justify = "right" if heading in right else "left"
        table.add_column(heading, justify=justify, no_wrap=heading != first, overflow="fold")
    for cells in zip(*(columns[heading] for heading in widths), strict=True):
        table.add_row(*cells)
    return table


def _lines(heading: str, cells: Sequence[Text]) -> list[str]:
    return [*heading.splitlines(), *(cell.plain for cell in cells)]


NARROW = 110
"""Columns of a terminal below which the line of a training run has no room for a bar."""


def _bar(with_bar: bool = True) -> Progress:
    bar = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        TimeRemainingColumn(compact=True),
    )
    return Progress(
        *(bar if with_bar else [TextColumn("{task.completed}")]),
        TextColumn("{task.fields[state]}"),
        console=ERRORS,
        disable=not ERRORS.is_terminal,
    )


@contextmanager
def counting(what: str) -> Iterator[Callable[[int, int], None]]:
    """A bar for work of known size: the callable takes (done, total).

    Nothing is shown until it is called, nor where stderr is no terminal.
    """
    with _bar() as bar:
        started = []

        def report(done: int, total: int) -> None:
            if not started:
                started.append(bar.add_task(what, total=total, state=""))
            bar.update(started[0], completed=done, total=total)

        yield report


@contextmanager
def training(iterations: int) -> Iterator[Callable[["Reached"], None]]:
    """A bar with loss, gradient norm, and lwlrap beside what it must be held against.

    Where stderr is no terminal there is a line an evaluation instead.
    """
    with _bar(with_bar=ERRORS.width >= NARROW) as bar:
        task = bar.add_task("training", total=iterations, state="")
        told: list[int] = []

        def report(reached: "Reached") -> None:
            bar.update(task, completed=reached.iteration, state=in_words(reached))
            evaluated = reached.evaluation["iteration"]
            if not ERRORS.is_terminal and evaluated not in told:
                told.append(evaluated)
                ERRORS.print(f"iteration {reached.iteration} of {iterations}: {in_words(reached)}", soft_wrap=True)

        yield report


def in_words(reached: "Reached") -> str:
    """One line on where a run stands.

    >>> from flatline.runs.train import Reached
    >>> in_words(Reached(50, 0.0812, 0.0123, {"lwlrap": 0.066, "chance": 0.062, "constant": 0.07}))
    'loss 0.081, gradient 1.2e-02, lwlrap 0.066 (chance 0.062, constant 0.070)'
    """
    lwlrap, chance, constant = (number(reached.evaluation[key]) for key in SCORES)
    training = f"loss {reached.loss:.3f}, gradient {reached.gradient_norm:.1e}"
    return f"{training}, lwlrap {lwlrap} (chance {chance}, constant {constant})"


def number(value: float | None, digits: int = 3) -> str:
    """A score for a table; a dash where there is none.

    >>> number(0.0634), number(float("nan")), number(None)
    ('0.063', '–', '–')
    """
    return "–" if value is None or math.isnan(value) else f"{value:.{digits}f}"
