"""One page of runs, with their verdicts and the dashboard's figures, that opens from disk without a server."""

import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

from ..diagnostics.errors import FlatlineError, RunError
from ..runs.comparing import names_of
from ..runs.read_once import ReadOnce
from ..runs.run import Run
from ..runs.standing import Comparison, comparison
from .report_figures import Figure, of_runs
from .report_page import contents, page
from .report_pieces import Piece, within
from .report_sections import Section, compared_section, entries, pieces_in, pieces_of, run_section, section

MOST_BYTES = 8_000_000
"""Bytes of a page; what does not fit is left out, and it is said there."""


def write_report(runs: Sequence[Run], output: Path) -> Path:
    """Write one self-contained HTML page of runs, of at most MOST_BYTES; a file that is there is replaced whole.

    Several runs are put side by side first. What a run did not record is said in words.
    Returns the output.
    Raises RunError for no run, for one given twice and for one that cannot be read; FlatlineError if the output cannot
    be written, which is told before anything is drawn.
    """
    paths = [str(run.path) for run in runs]
    twice = next((path for path in paths if paths.count(path) > 1), None)
    if not runs or twice is not None:
        wrong = "no run is given" if twice is None else f"the run {twice} is given twice"
        raise RunError(f"{wrong} (report {output}); give each run once")
    place = Path(os.path.realpath(output))
    hidden = _begun(output, place)
    try:
        text = report(runs)
        with _told(output):
            hidden.write_text(text, encoding="utf-8")
            hidden.chmod(0o666 & ~_umask())
            os.replace(hidden, place)
    finally:
        with suppress(OSError):
            hidden.unlink(missing_ok=True)
    return output


def report(runs: Sequence[Run], most_bytes: int = MOST_BYTES) -> str:
    """The page as text.

    most_bytes : of its UTF-8
    Raises FlatlineError where the words alone are more.
    """
    read = [ReadOnce(run.path) for run in runs]
    named = zip(read, names_of(read), strict=True)
    sections = [section(run, name, f"run-{number}-") for number, (run, name) in enumerate(named, 1)]
    compared = comparison(read) if len(read) > 1 else None
    together_drawn = tuple(of_runs(read)) if compared else ()
    pieces = [*pieces_in(together_drawn), *(piece for one in sections for piece in pieces_of(one))]
    bare = len(_assembled(sections, compared, together_drawn, {}, len(pieces)).encode())
    if bare > most_bytes:
        raise FlatlineError(
            f"the words of {len(runs)} runs take {bare:,} bytes, a page has {most_bytes:,} (report); name fewer runs"
        )
    kept = within(pieces, most_bytes - bare)
    return _assembled(sections, compared, together_drawn, kept, len({piece.key for piece in pieces}))


def _assembled(
    sections: Sequence[Section],
    compared: Comparison | None,
    together_drawn: Sequence[Figure],
    kept: Mapping[str, Piece],
    n_pieces: int,
) -> str:
    names = [one.name for one in sections]
    title = f"Flatline report: {names[0]}" if len(names) == 1 else f"Flatline report: {len(names)} runs"
    body = [] if compared is None else [compared_section(sections, compared, together_drawn, kept)]
    played: set[str] = set()
    body += [run_section(one, kept, played, is_alone=compared is None) for one in sections]
    return page(title, contents(list(entries(sections))), body, _last(n_pieces, len(kept)))


def _last(n_pieces: int, n_kept: int) -> str:
    when = datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z")
    missing = n_pieces - n_kept
    left_out = f" {missing} of {n_pieces} figures and sounds are left out, to keep the page small." if missing else ""
    return f"Written by flatline {version('flatline')} on {when}.{left_out}"


def _begun(output: Path, place: Path) -> Path:
    """An empty file beside the place of the output, so that what cannot be written is told before minutes are spent."""
    if output.is_dir():
        raise FlatlineError(f"{output} is a folder (report -o); name a file in it, such as {output / 'report.html'}")
    if output.exists() and not output.is_file():
        raise FlatlineError(f"{output} is no file (report -o); name one that can be replaced, such as report.html")
    if not place.parent.is_dir():
        raise FlatlineError(f"the folder {output.parent} of {output.name} is not there (report -o); make it first")
    with _told(output):
        descriptor, hidden = tempfile.mkstemp(prefix=f".{place.name[:100]}.", dir=place.parent)
    os.close(descriptor)
    return Path(hidden)


@contextmanager
def _told(output: Path) -> Iterator[None]:
    """What the system says against a file, as one message to whoever named it."""
    try:
        yield
    except OSError as error:
        why = error.strerror or error
        raise FlatlineError(f"{output} cannot be written ({why}, report -o); name another file") from error


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
