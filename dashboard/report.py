"""One page of runs, with their verdicts and the dashboard's figures, that opens from disk without a server."""

import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ..diagnostics.errors import FlatlineError, RunError
from ..runs.comparing import names_of
from ..runs.read_once import ReadOnce
from ..runs.run import Run
from ..runs.standing import Comparison, comparison
from ..runs.summary import store_summary, stored_summary, summarise
from . import report_figures
from .markup import Markup, element, together
from .report_clips import Clip, clips_of, player
from .report_comparison import differences, standings
from .report_figures import CLASS, CLASSES, VITAL, VITALS, Figure
from .report_page import card, cards, contents, page
from .report_pieces import Piece, within
from .report_words import findings, not_judged, recipe, verdict

MOST_BYTES = 8_000_000
"""Bytes of a page; what does not fit is left out, and it is said there."""


@dataclass(frozen=True)
class Section:
    """What a report holds of one run.

    prefix : of its ids, which two runs of one name do not share
    """

    prefix: str
    name: str
    run: Run
    summary: Mapping[str, Any]
    timeline: Figure
    evidence: tuple[Figure, ...]
    vitals: tuple[Figure, ...]
    classes: tuple[Figure, ...]
    clips: tuple[Clip, ...]


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
    hidden = _begun(place)
    try:
        hidden.write_text(report(runs), encoding="utf-8")
        hidden.chmod(0o666 & ~_umask())
        os.replace(hidden, place)
    except OSError as error:
        raise _unwritable(output, error) from error
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
    together_drawn = tuple(report_figures.of_runs(read)) if compared else ()
    pieces = [*_pieces(together_drawn), *(piece for one in sections for piece in pieces_of(one))]
    bare = len(_assembled(sections, compared, together_drawn, {}, len(pieces)).encode())
    if bare > most_bytes:
        raise FlatlineError(
            f"the words of {len(runs)} runs take {bare:,} bytes, a page has {most_bytes:,} (report); name fewer runs"
        )
    kept = within(pieces, most_bytes - bare)
    return _assembled(sections, compared, together_drawn, kept, len({piece.key for piece in pieces}))


def section(run: Run, name: str, prefix: str) -> Section:
    """A run judged, and its figures drawn."""
    summary = _summary(run)
    return Section(
        prefix,
        name,
        run,
        summary,
        report_figures.timeline(run, summary, prefix),
        tuple(report_figures.evidence(run, summary, prefix)),
        tuple(report_figures.of_run(run, summary, prefix, VITALS, VITAL)),
        tuple(report_figures.of_run(run, summary, prefix, CLASSES, CLASS)),
        tuple(clips_of(run, prefix)),
    )


def pieces_of(one: Section) -> Iterator[Piece]:
    """Everything heavy of a run's section."""
    yield from _pieces((one.timeline, *one.evidence, *one.vitals, *one.classes))
    for clip in one.clips:
        yield from _pieces(clip.figures)
        if clip.sound is not None:
            yield clip.sound


def _pieces(figures: Sequence[Figure]) -> Iterator[Piece]:
    return (figure.piece for figure in figures if figure.piece is not None)


def _summary(run: Run) -> dict[str, Any]:
    """The verdict that is kept beside the run, else a new one, then kept there as `flatline diagnose` does."""
    kept = stored_summary(run.path)
    if kept is not None:
        return kept
    summary = summarise(run)
    if summary["status"] != "running":
        store_summary(run.path, summary)
    return summary


def _assembled(
    sections: Sequence[Section],
    compared: Comparison | None,
    together_drawn: Sequence[Figure],
    kept: Mapping[str, Piece],
    n_pieces: int,
) -> str:
    names = [one.name for one in sections]
    title = f"Flatline report: {names[0]}" if len(names) == 1 else f"Flatline report: {len(names)} runs"
    body = [] if compared is None else [_compared(sections, compared, together_drawn, kept)]
    played: set[str] = set()
    body += [_section(one, kept, played, is_alone=compared is None) for one in sections]
    return page(title, contents(list(_entries(sections))), body, _last(n_pieces, len(kept)))


def _entries(sections: Sequence[Section]) -> Iterator[tuple[str, Markup]]:
    if len(sections) > 1:
        yield "comparison", element("b", "The runs side by side")
        for one in sections:
            said = element("span", one.summary["diagnosis"]["verdict"], class_="word")
            yield one.prefix + "top", together([one.name, " · ", element("span", said, class_=_tone(one))])
        return
    for place, heading in (*PARTS, ("recipe", "Recipe and versions")):
        yield sections[0].prefix + place, together([heading])


PARTS = (("findings", "Findings"), ("vitals", "Vital signs"), ("classes", "Classes"), ("localisation", "Localisation"))
"""Ids and headings of the parts of a run's section."""


def _compared(
    sections: Sequence[Section], compared: Comparison, drawn: Sequence[Figure], kept: Mapping[str, Piece]
) -> Markup:
    return element(
        "section",
        element("h2", "The runs side by side"),
        standings(compared, [f"{one.prefix}top" for one in sections]),
        differences(compared),
        cards("The same figures on shared scales", "compared-figures", [card(figure, kept) for figure in drawn]),
        id="comparison",
    )


def _section(one: Section, kept: Mapping[str, Piece], played: set[str], *, is_alone: bool) -> Markup:
    draw = {"vitals": one.vitals, "classes": one.classes}
    found, unjudged = findings(one.summary), not_judged(one.summary)
    listed = element("div", found, unjudged, class_="card wide pad") if found or unjudged else None
    evidence = [card(figure, kept) for figure in (one.timeline, *one.evidence)]
    clips = [part for clip in one.clips for part in _clip(clip, kept, played)]
    parts = {
        "findings": [evidence[0], listed, *evidence[1:]],
        **{place: [card(figure, kept) for figure in figures] for place, figures in draw.items()},
        "localisation": clips,
    }
    drawn = [cards(heading, one.prefix + place, parts[place]) for place, heading in PARTS]
    heading = None if is_alone else element("h2", one.name)
    made_of = element("div", element("h3", "What it was made of"), recipe(one.run), id=f"{one.prefix}recipe")
    return element("section", heading, verdict(one.run, one.summary), *drawn, made_of, id=f"{one.prefix}top")


def _clip(clip: Clip, kept: Mapping[str, Piece], played: set[str]) -> list[Markup]:
    return [player(clip, kept, played), *(card(figure, kept) for figure in clip.figures)]


def _tone(one: Section) -> str:
    return one.summary["diagnosis"]["verdict"]


def _last(n_pieces: int, n_kept: int) -> str:
    when = datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z")
    missing = n_pieces - n_kept
    left_out = f" {missing} of {n_pieces} figures and sounds are left out, to keep the page small." if missing else ""
    return f"Written by flatline {version('flatline')} on {when}.{left_out}"


def _begun(output: Path) -> Path:
    """An empty file beside the output, so that what cannot be written is told before minutes are spent."""
    if output.is_dir():
        raise FlatlineError(f"{output} is a folder (report -o); name a file in it, such as {output / 'report.html'}")
    if output.exists() and not output.is_file():
        raise FlatlineError(f"{output} is no file (report -o); name one that can be replaced, such as report.html")
    if not output.parent.is_dir():
        raise FlatlineError(f"the folder {output.parent} of {output.name} is not there (report -o); make it first")
    try:
        descriptor, hidden = tempfile.mkstemp(prefix=f".{output.name[:100]}.", dir=output.parent)
    except OSError as error:
        raise _unwritable(output, error) from error
    os.close(descriptor)
    return Path(hidden)


def _unwritable(output: Path, error: OSError) -> FlatlineError:
    return FlatlineError(f"{output} cannot be written ({error.strerror or error}, report -o); name another file")


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
