"""`flatline compare` in a terminal: a column a run, what differs in their recipes below."""

import math
import re
from collections.abc import Sequence

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from .comparing import in_words
from .diagnosing import COLOURS
from .display import GAP, number, stdout
from .jsons import to_json
from .standing import RECENT, Comparison, Standing

NARROWEST = 14
"""Characters of a run's column, at least; runs for which that leaves no room come in a table of their own below."""

WIDEST = 32
"""Characters of a run's column, at most."""

FIRST_WIDEST = 30
"""Characters of the column of headings, at most."""


def print_comparison(compared: Comparison, *, as_json: bool) -> None:
    """To stdout: a table, or JSON and nothing else."""
    if as_json:
        print(to_json(compared.to_dict(), indent=1))
        return
    console = stdout()
    console.print(as_text(compared, console.width))


def as_text(compared: Comparison, width: int) -> RenderableType:
    """The comparison for a terminal of that many characters; nothing is cut, what is long takes several lines."""
    headings, columns = _headings(compared.common), [_cells(standing) for standing in compared.runs]
    keys = [str(key) for key in compared.differences.index]
    first = min(FIRST_WIDEST, max(map(len, (*headings, *keys))))
    at_once = max(1, (width - first) // (NARROWEST + GAP))
    tables = []
    for start in range(0, len(columns), at_once):
        chosen = slice(start, start + at_once)
        names = [standing.name for standing in compared.runs[chosen]]
        table = _empty(first, names, min(WIDEST, (width - first) // len(names) - GAP))
        _add_rows(table, headings, list(zip(*columns[chosen], strict=True)))
        values = compared.differences.iloc[:, chosen].to_numpy(dtype=object).tolist()
        if keys:
            table.add_section()
            table.add_row(Text("recipes differ in", "bold"))
        _add_rows(table, keys, [[Text(in_words(value)) for value in row] for row in values])
        tables += [table, Text()]
    return Group(*tables, Text(_note(compared), "dim"))


def _headings(common: int | None) -> list[str]:
    at = "at a common iteration" if common is None else f"at iteration {common:,}"
    return [
        *("verdict", "cause", "since iteration", "lwlrap, last", f"lwlrap, {at}", "chance", "constant level"),
        *("loss", "gradient norm", "of the lowest part", "the RNN carries", "iterations", "seconds"),
    ]


def _cells(standing: Standing) -> list[Text]:
    """One cell for each of the headings."""
    said = [
        standing.cause or "–",
        "–" if standing.onset is None else f"{standing.onset:,}",
        *(number(score) for score in (standing.lwlrap, standing.common_lwlrap, standing.chance, standing.constant)),
        _small(standing.loss),
        _small(standing.gradient_norm),
        "–" if standing.lowest_part is None else f"{_small(standing.lowest_norm)} {standing.lowest_part}",
        _share(standing),
        f"{standing.iterations:,}{'' if standing.status == 'finished' else f' ({standing.status})'}",
        number(standing.seconds, 0),
    ]
    return [Text(standing.verdict, COLOURS[standing.verdict]), *map(Text, said)]


def _small(value: float) -> str:
    """A number of any size in few characters.

    >>> _small(0.0686), _small(1.2e-7), _small(0.0)
    ('0.0686', '1.2e-07', '0')
    """
    if math.isnan(value):
        return "–"
    return f"{value:.1e}" if 0 < abs(value) < 1e-3 or abs(value) >= 1e5 else f"{value:.3g}"


def _share(standing: Standing) -> str:
    if math.isnan(standing.rnn_share):
        return "–"
    share, low, high = (round(100 * value) for value in (standing.rnn_share, standing.rnn_low, standing.rnn_high))
    return f"{share} % ({low} to {high})"


def _empty(first: int, names: Sequence[str], width: int) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, GAP - 1, 0, 0), show_edge=False, pad_edge=False)
    table.add_column("", max_width=first)
    for name in names:
        table.add_column(_broken(Text(name), width), max_width=width)
    return table


def _add_rows(table: Table, headings: Sequence[str], rows: Sequence[Sequence[Text]]) -> None:
    widths = [column.max_width or 0 for column in table.columns]
    for heading, cells in zip(headings, rows, strict=True):
        row = [Text(heading, "dim"), *cells]
        table.add_row(*(_broken(cell, width) for cell, width in zip(row, widths, strict=True)))


def _broken(text: Text, width: int) -> Text:
    """In lines of that many characters, broken after a space, hyphen, slash, dot or underscore where there is one."""
    pieces = re.findall(r"[^-/._ ]*[-/._ ]|[^-/._ ]+", text.plain)
    lines = [""]
    for piece in (whole[at : at + width] for whole in pieces for at in range(0, len(whole), width)):
        if len(lines[-1]) + len(piece.rstrip()) > width:
            lines.append("")
        lines[-1] += piece
    return Text("\n".join(line.rstrip() for line in lines), text.style)


def _note(compared: Comparison) -> str:
    silent = [standing.name for standing in compared.runs if not standing.has_recipe]
    said = [] if len(compared.differences) else ["Nothing that their recipes say differs."]
    said += [f"Without a recipe, only loss and seed are known: {', '.join(silent)}."] if silent else []
    return " ".join([*said, f"Loss and gradient norms: median of the last {RECENT} iterations. –: not recorded."])
