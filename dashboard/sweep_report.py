"""The page of a sweep: its table and charts, one file that opens from disk without a server."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

import plotly.graph_objects as go

from ..diagnostics.errors import FlatlineError
from ..runs.run import Run
from ..runs.sweep_output import write_tables
from ..runs.sweep_table import COLUMNS, EXPLANATION, Row, Swept, summaries
from . import figures, sweep_figures
from .markup import Markup, element
from .report import MOST_BYTES
from .report_figures import Figure, drawn
from .report_page import card, cards, contents, page
from .report_pieces import within
from .report_sections import pieces_in
from .report_words import table

FILE = "index.html"

CAPTIONS = {
    "sweep-lwlrap": (
        "One colour a variant, one dash a schedule. A run that stays at the two levels has learnt nothing about its "
        "input, however long it trains: chance is a random ranking's score, the constant level that of one ranking for "
        "all clips by how common each class is."
    ),
    "sweep-loss": (
        "Losses of runs with different objectives are on different scales: a loss on logits that is fed probabilities "
        "cannot fall below about 0.69. Compare runs of one objective, and lwlrap between objectives."
    ),
    "sweep-gradient": (
        "The mean over the tensors of their gradients' norm, as the optimiser saw it. In a collapse it falls in the "
        "first epochs and does not come back, whatever the schedule does."
    ),
    "sweep-rate": "What the schedules did: the learning rate with which each iteration stepped.",
    "sweep-seconds": (
        "Training alone, without evaluations, on this machine and beside the other runs of the sweep; the features' "
        "number of frames counts for more than the network's number of parameters."
    ),
}
"""Captions of the charts of all runs together."""

CHARTS: tuple[tuple[str, Callable[..., go.Figure]], ...] = (
    ("sweep-lwlrap", sweep_figures.lwlrap_by_epoch),
    ("sweep-loss", sweep_figures.loss_by_epoch),
    ("sweep-gradient", sweep_figures.gradient_by_epoch),
    ("sweep-rate", sweep_figures.rate_by_epoch),
    ("sweep-seconds", sweep_figures.seconds_by_run),
)
"""Charts of all runs together, as keys of their captions, in their order."""


def write_sweep_report(swept: Swept, folder: Path) -> Path:
    """Write the page, and the tables beside it; files that are there are replaced.

    Returns the page.
    Raises FlatlineError if the folder cannot be written.
    """
    path, hidden = folder / FILE, folder / f".{FILE}.{os.getpid()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_tables(swept, folder)
        hidden.write_text(sweep_page(swept), encoding="utf-8")
        os.replace(hidden, path)
    except OSError as error:
        raise FlatlineError(f"{folder} cannot be written ({error.strerror or error}, -o); name another") from error
    finally:
        with suppress(OSError):
            hidden.unlink(missing_ok=True)
    return path


def sweep_page(swept: Swept) -> str:
    """The page as text."""
    together = list(_together(swept.rows))
    by_class = list(_by_class(swept.rows))
    tests = list(_tests(swept.range_tests))
    room = within(list(pieces_in([figure for _, figure in (*together, *by_class, *tests)])), MOST_BYTES)
    body = [_head(swept), _table(swept)]
    body.append(cards("Runs", "runs", [card(figure, room) for _, figure in together]))
    for place, heading, shown in (("classes", "lwlrap by class", by_class), ("rates", "Learning-rate ranges", tests)):
        if shown:
            body.append(cards(heading, place, [_named(name, card(figure, room)) for name, figure in shown]))
    entries = [("table", Markup("Table")), ("runs", Markup("Runs"))]
    entries += [("classes", Markup("lwlrap by class"))] if by_class else []
    entries += [("rates", Markup("Learning-rate ranges"))] if tests else []
    when = datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z")
    return page(
        f"Flatline sweep: {swept.sweep.name}",
        contents(entries),
        body,
        f"Written by flatline {version('flatline')} on {when}.",
    )


def _head(swept: Swept) -> Markup:
    said = [swept.sweep.description, f"Data: {swept.data.resolve()}. Runs: {swept.logs.resolve()}."]
    failed = [element("p", f"{row.name} failed: {row.failed}", class_="alert") for row in swept.failed]
    return element("div", *(element("p", text) for text in said if text), *failed, class_="card pad")


def _table(swept: Swept) -> Markup:
    heads = [heading.replace("\n", " ") for heading in COLUMNS]
    made = [[cell(one) for cell in COLUMNS.values()] for one in summaries(swept.rows)]
    several = max((one.seeds for one in summaries(swept.rows)), default=1) > 1
    interval = " ± is half the width of the mean's 95 % interval over seeds." if several else ""
    words = element("p", EXPLANATION + interval, class_="caption")
    return element("div", element("h3", "Table", id="table"), table(heads, made), words, class_="card pad")


def _together(rows: Sequence[Row]) -> Iterator[tuple[str, Figure]]:
    for rank, (key, draw) in enumerate(CHARTS):
        figure = drawn("", key, rank, lambda theme, draw=draw: draw(rows, theme))
        yield key, replace(figure, caption=CAPTIONS[key], wide=True)


def _by_class(rows: Sequence[Row]) -> Iterator[tuple[str, Figure]]:
    """The first run of each variant; the others are in the dashboard."""
    firsts = {row.variant: row for row in reversed(rows) if row.iterations}
    for place, row in enumerate(sorted(firsts.values(), key=rows.index)):
        run = Run(row.run)
        yield (
            row.label,
            drawn(f"{place}-", "class-lwlrap", len(CHARTS), lambda theme, run=run: figures.class_lwlrap(run, theme)),
        )


def _tests(rows: Sequence[Row]) -> Iterator[tuple[str, Figure]]:
    for place, row in enumerate(row for row in rows if row.iterations):
        run = Run(row.run)
        yield (
            row.variant,
            drawn(f"{place}-", "lr-range", len(CHARTS), lambda theme, run=run: figures.lr_range(run, theme)),
        )


def _named(name: str, figure: Markup) -> Markup:
    """A figure under the name of its run, which its title does not say."""
    return element("div", element("h4", name), figure)
