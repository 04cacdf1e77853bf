from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .errors import FaultError, Problem

BYTE_ORDER_MARKS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))

VOCABULARY_HEADERS = frozenset({"label", "labels", "class", "name", "display_name"})


class CsvError(FaultError):
    """A CSV that cannot be used; `problem` says why."""


@dataclass(frozen=True)
class LabelRow:
    """One row of a label CSV; `row` is its line as an editor shows it, `labels` is None without such a column."""

    row: int
    fname: str
    labels: tuple[str, ...] | None


def read_label_csv(path: Path, *, needs_labels: bool = True) -> tuple[LabelRow, ...]:
    """The rows of a `fname,labels` CSV, spaces and a byte-order mark taken away, blank lines left out.

    Extra columns are ignored, as are upper case and spaces in the header.

    needs_labels : False accepts a CSV without the labels column, as of an unlabelled test split
    Raises CsvError for a CSV without the columns, or one that cannot be read as one.
    """
    lines = csv_lines(path)
    _, header = next(lines, (1, []))
    columns = {name.strip().lower(): i for i, name in enumerate(header)}
    wanted = ("fname", "labels") if needs_labels else ("fname",)
    missing = [name for name in wanted if name not in columns]
    if missing:
        found = ", ".join(header)[:200] or "none, the file is empty"
        what = f"has no column {' and '.join(missing)}; columns found: {found}"
        raise CsvError(Problem(path, None, what, "give it a first line fname,labels"))
    return tuple(_row(number, cells, columns) for number, cells in lines)


def read_header(path: Path) -> tuple[str, ...]:
    """The column names of a CSV, spaces and a byte-order mark taken away; () for an empty file."""
    _, header = next(csv_lines(path), (1, []))
    return tuple(name.strip() for name in header)


def read_vocabulary(path: Path) -> tuple[str, ...]:
    """The class names of a `vocabulary.csv`: a name a line, beside which an index and an AudioSet id may stand.

    Source: FSDKaggle2019.meta/vocabulary.csv and, for the id column, FSD50K's.
    """
    rows = [cells for _, cells in csv_lines(path)]
    if rows and VOCABULARY_HEADERS & {cell.lower() for cell in rows[0]}:
        del rows[0]
    names = (next((cell for cell in cells if _is_class_name(cell)), None) for cells in rows)
    return tuple(name for name in names if name is not None)


def csv_lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Line number and cells of every line that is not blank; a quoted cell over two lines counts from its first.

    Separated by comma, semicolon or tab, whichever stands in the first line.
    Raises CsvError for a file that cannot be read as CSV.
    """
    text = _text(path)
    first = text.partition("\n")[0]
    delimiter = next((mark for mark in (",", ";", "\t") if mark in first), ",")
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True)
    number = 1
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield number, [cell.strip() for cell in cells]
            number = reader.line_num + 1
    except csv.Error as error:
        raise CsvError(Problem(path, number, f"cannot be read as CSV ({error})", "close its quotes")) from error


def _text(path: Path) -> str:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise CsvError(Problem(path, None, f"cannot be read ({error.strerror})", "check its permissions")) from error
    encoding = next((name for mark, name in BYTE_ORDER_MARKS if content.startswith(mark)), "utf-8")
    try:
        return content.decode(encoding)
    except UnicodeDecodeError:
        return content.decode("cp1252", errors="replace")  # what a spreadsheet on Windows writes


def _row(number: int, cells: list[str], columns: dict[str, int]) -> LabelRow:
    def cell(name: str) -> str:
        return cells[columns[name]] if columns[name] < len(cells) else ""

    if "labels" not in columns:
        return LabelRow(number, cell("fname"), None)
    labels = (label.strip() for label in cell("labels").split(","))
    return LabelRow(number, cell("fname"), tuple(dict.fromkeys(label for label in labels if label)))


def _is_class_name(cell: str) -> bool:
    return bool(cell) and not cell.isdigit() and not cell.startswith(("/m/", "/t/", "/g/"))
