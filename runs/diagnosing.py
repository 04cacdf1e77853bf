"""A run's diagnosis, in words for a terminal, in Markdown for an issue tracker, as a dictionary for JSON."""

import os
from collections.abc import Iterator
from typing import Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from ..diagnostics.advice import ADVICE
from ..diagnostics.diagnosis import SHORTEST, Diagnosis
from ..diagnostics.diagnosis import diagnose as diagnose_signals
from ..diagnostics.findings import KINDS, Finding
from ..diagnostics.recorded import Signals
from .read_once import ReadOnce
from .run import Run

COLOURS = {"collapsed": "bold red", "at-risk": "bold yellow", "healthy": "bold green", "undetermined": "bold blue"}
MARKS = {"critical": "red", "warning": "yellow", "info": "dim"}


def diagnose(run: Signals | str | os.PathLike[str]) -> Diagnosis:
    """What collapsed in a run, when it began and why.

    run : a `flatline.Run`, its folder, or its name under ./logs
    Raises RunError if there is no such run.
    """
    return diagnose_signals(ReadOnce(run) if isinstance(run, str | os.PathLike) else run)


def as_dict(run: Run, diagnosis: Diagnosis) -> dict[str, Any]:
    """As `flatline diagnose --json` prints it."""
    return {"run": str(run.path), **diagnosis.to_dict()}


def as_text(run: Run, diagnosis: Diagnosis) -> RenderableType:
    """For a terminal: the verdict, the cause with what to do, what died first, everything that was found."""
    state = f"{run.name}, {diagnosis.iterations:,} iterations" + (", still training" if run.status == "running" else "")
    parts: list[RenderableType] = [
        Text.assemble((diagnosis.verdict, COLOURS[diagnosis.verdict]), f"  {state}"),
        *(_indented(line) for line in summary(diagnosis)),
    ]
    if diagnosis.cause is not None and diagnosis.onsets:
        parts += [Text("\nWhat stopped first", "bold"), _indented(order_of_onsets(diagnosis))]
    if diagnosis.findings:
        parts += [Text("\nFindings", "bold"), _table(diagnosis.findings)]
    if diagnosis.undetermined:
        parts += [Text("\nNot judged", "bold")]
        parts += [_indented(f"{entry.kind}: {entry.why}") for entry in diagnosis.undetermined]
    return Group(*parts)


def as_markdown(run: Run, diagnosis: Diagnosis) -> str:
    """For an issue tracker."""
    cause = "" if diagnosis.cause is None else f": `{diagnosis.cause}`"
    lines = [f"## {run.name}: {diagnosis.verdict}{cause}", "", f"{diagnosis.iterations:,} iterations.", ""]
    lines += [f"- {line}" for line in summary(diagnosis)]
    if diagnosis.cause is not None and diagnosis.onsets:
        lines += [f"- What stopped first: {order_of_onsets(diagnosis)}"]
    if diagnosis.findings:
        lines += ["", "| finding | severity | iterations | evidence |", "| --- | --- | --- | --- |"]
        lines += [
            f"| `{f.kind}` {_where(f)} | {f.severity} | {f.onset}-{f.last} | {_evidence(f)} |"
            for f in diagnosis.findings
        ]
    if diagnosis.undetermined:
        lines += ["", "Not judged:", ""]
        lines += [f"- `{entry.kind}`: {entry.why}" for entry in diagnosis.undetermined]
    return "\n".join(lines) + "\n"


def summary(diagnosis: Diagnosis) -> Iterator[str]:
    """The cause in sentences: what it is, since when, what to do, what speaks for and against it."""
    why, reasons = diagnosis.why, diagnosis.reasons
    if why is None or reasons is None:
        yield _without_cause(diagnosis)
        return
    finding = why.finding
    yield f"{finding.kind} ({KINDS[finding.kind]}), since iteration {finding.onset}."
    yield finding.explanation
    advice = ADVICE[finding.kind, finding.variant]
    tries = f" Interventions to try, in this order: {', '.join(finding.remedies)}." if finding.remedies else ""
    yield f"To do: {advice.do}.{tries}"
    if reasons.pro:
        yield f"For it: {'; '.join(reasons.pro)}."
    yield f"Against it: {'; '.join(reasons.contra) or 'nothing that was recorded'}."
    if reasons.pro or reasons.contra:
        yield f"{len(reasons.pro)} of {len(reasons.pro) + len(reasons.contra)} signs speak for it."
    if why.explained:
        yield f"It explains: {', '.join(dict.fromkeys(other.kind for other in why.explained))}."
    if why.beside:
        yield f"Beside it: {', '.join(dict.fromkeys(other.kind for other in why.beside))}."


def order_of_onsets(diagnosis: Diagnosis) -> str:
    """What stopped, earliest first.

    Of one iteration, what is nearer to the loss comes first.
    """
    return ", then ".join(
        f"{onset.part} ({onset.what}{f' of {onset.where}' if onset.where else ''}) at {onset.iteration}"
        for onset in diagnosis.onsets
    )


def _without_cause(diagnosis: Diagnosis) -> str:
    if diagnosis.verdict == "healthy":
        return "Nothing that was recorded says that anything is wrong."
    if not diagnosis.iterations:
        return "Nothing has been recorded yet."
    if diagnosis.iterations < SHORTEST:
        return f"{diagnosis.iterations} iterations are too few to call it healthy."
    return "Too little was recorded to call it healthy; what is missing stands below."


def _table(findings: tuple[Finding, ...]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    table.add_column()
    for finding in findings:
        past = "" if finding.is_active else " (over)"
        head = Text.assemble(
            (f"{finding.severity:8s} ", MARKS[finding.severity]),
            (f"{finding.kind}{_where(finding)}", "" if finding.is_active else "dim"),
            (f"  iterations {finding.onset} to {finding.last}{past}", "dim"),
        )
        table.add_row(Padding(head, (0, 0, 0, 2)))
        table.add_row(Padding(Text(_evidence(finding), "dim"), (0, 0, 0, 11)))
    return table


def _where(finding: Finding) -> str:
    return f" in {finding.where}" if finding.where else ""


def _evidence(finding: Finding) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {value:.3g}" for name, value in finding.evidence.items())


def _indented(text: str) -> Padding:
    return Padding(Text(text), (0, 0, 0, 2), expand=False)
