from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

PERMISSIONS = "check its permissions and those of the folders above it"


class DataError(ValueError):
    """A clip, a label file or a setting that cannot be used; its text says what, where and what to do."""


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with a data set.

    file   : the file at fault, a CSV or a clip
    row    : line number in a CSV as an editor shows it, the header being line 1; None where there is none
    what   : what is wrong, with the value
    remedy : what to do about it
    note   : True where the set can be used as it is

    >>> print(Problem("train_curated.csv", 12, "label 'Bork' is not one of the 80 classes", "correct the label"))
    train_curated.csv, line 12: label 'Bork' is not one of the 80 classes; correct the label
    """

    file: Path | str
    row: int | None
    what: str
    remedy: str
    note: bool = False

    def __str__(self) -> str:
        where = f"{self.file}" if self.row is None else f"{self.file}, line {self.row}"
        return f"{where}: {self.what}; {self.remedy}"


class FaultError(DataError):
    """One file that cannot be used; `problem` says why, for who collects what is wrong instead of stopping at it."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


@contextmanager
def readable() -> Iterator[None]:
    """Where the system refuses a file or folder, one DataError that names it; also a decorator."""
    try:
        yield
    except OSError as error:
        raise DataError(f"{error.filename} cannot be read ({error.strerror or error}); {PERMISSIONS}") from error


def summarise(problems: Sequence[Problem], subject: str, remedy: str, n_shown: int = 3) -> str:
    """One message for many problems: the first few in full, how many there are, and the remedy for all.

    >>> print(summarise([Problem("a.wav", None, "is empty", "record it again")], "1 clip", "skip it"))
    1 clip: a.wav: is empty; record it again. Remedy: skip it
    """
    shown = ". ".join(str(problem) for problem in problems[:n_shown])
    more = f" (and {len(problems) - n_shown} more)" if len(problems) > n_shown else ""
    return f"{subject}: {shown}{more}. Remedy: {remedy}"
