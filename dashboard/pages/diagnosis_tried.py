"""The Diagnosis page's card "What was tried": the trials of `flatline revive`, and what an arm is an arm of."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import dash_mantine_components as dmc
from dash import html

from ...runs.revive import telling
from ...runs.revive.revived import FILE, Revived, stored_revival
from ...runs.run import Run
from ..addresses import compare_address, run_address, run_path
from .diagnosis_content import VERDICTS
from .figure_page import reason

VERDICT = telling.HEADINGS.index("verdict") - 1
"""Place of the verdict among the cells after the first."""

REVIVAL = "revival"
"""Id of the figure's graph."""


def tried(logs: Path, path: Path, summary: Mapping[str, Any] | None) -> Any:
    """The card of a run: what its last trials came to; where there were none, how to make some; None where it is well.

    summary : of `Judge.summary`
    """
    try:
        run = Run(path)
        revived = stored_revival(run.path)
        if revived is not None:
            return _card([dmc.Title("What was tried", order=4), *_answer(logs, run, revived)])
        verdict = ((summary or {}).get("diagnosis") or {}).get("verdict")
        return _card(_none_yet(run)) if verdict in telling.SICK else None
    except Exception as error:
        words = dmc.Text(reason(error, "what was tried"), size="sm", c="red")
        return _card([dmc.Title("What was tried", order=4), words])


def trials_mark(path: Path) -> int | None:
    """What changes when trials of a run end; of a run in a store, where none can be made, None."""
    try:
        return (path / FILE).stat().st_mtime_ns if isinstance(path, Path) else None
    except OSError:
        return None


def has_trials(path: Path) -> bool:
    """Whether a run keeps what trials of it came to."""
    return stored_revival(path) is not None


def arm_line(logs: Path, info: Mapping[str, Any]) -> Any:
    """Of an arm, of which run it is one and what was changed in it; None of any other run.

    info : its run.json
    """
    parent = telling.parent_of(info)
    if parent is None:
        return None
    name, given = parent
    of = _way(name, run_address(name, "diagnosis")) if run_path(logs, name) else html.B(name)
    return dmc.Text(["an arm of ", of, f": {given}"], size="sm", c="dimmed", id="arm-of")


def _none_yet(run: Run) -> list[Any]:
    how = telling.command(run.name, has_recipe=bool(run.recipe))
    text = "Nothing yet. Trials train copies of this run with the changes above, keep what helps, and say what to do:"
    return [dmc.Title("What was tried", order=4), dmc.Text(text), dmc.Code(how, block=True, id="revive-command")]


def _answer(logs: Path, run: Run, revived: Revived) -> list[Any]:
    """The prescription beside what speaks against it, the arms, the stages."""
    side_by_side = dmc.SimpleGrid(
        [_prescription(logs, revived), _doubts(revived)], cols={"base": 1, "md": 2}, spacing="lg"
    )
    listed = [dmc.ListItem(stage) for stage in telling.stages(revived)]
    again = telling.command(run.name, has_recipe=bool(run.recipe))
    return [
        side_by_side,
        dmc.ScrollArea(_table(logs, revived), type="auto", id="arms-scroll"),
        dmc.Text("In the order in which it was tried", fw=600, size="sm"),
        dmc.List(listed, size="sm", type="ordered", spacing=2),
        dmc.Text([telling.effort(revived), " Again: ", html.Code(again)], size="xs", c="dimmed"),
    ]


def _prescription(logs: Path, revived: Revived) -> dmc.Stack:
    parts: list[Any] = [dmc.Text(telling.headline(revived), fw=700, fz=18, id="prescription")]
    if revived.best != telling.UNCHANGED:
        parts.append(dmc.Text(telling.moved(revived)))
        seeds = telling.of_seeds(revived)
        parts += [dmc.Text(seeds, size="sm")] if seeds else []
        parts += [diff_block(revived.diff)] if revived.diff else []
    names = telling.run_names(revived)
    if len(names) > 1 and all(run_path(logs, name) for name in names):
        parts.append(_way("Compare the run with its cure", compare_address(names), id="compare-arms"))
    return dmc.Stack(parts, gap=6, align="flex-start")


def diff_block(diff: str) -> html.Pre:
    """Lines of a diff, what goes and what comes in colours besides their signs."""
    tones = {"-": "var(--flatline-bad)", "+": "var(--flatline-good)"}
    lines = [html.Span(f"{line}\n", style={"color": tones.get(line[:1], "inherit")}) for line in diff.splitlines()]
    style = {"margin": 0, "fontSize": 13, "whiteSpace": "pre-wrap", "overflowWrap": "anywhere"}
    return html.Pre(lines, style=style, id="prescription-diff")


def _doubts(revived: Revived) -> dmc.Stack:
    """What speaks against the prescription, and how to train by it."""
    said = [dmc.ListItem(sentence) for sentence in revived.against]
    told: Any = dmc.List(said, size="sm") if said else dmc.Text("Nothing that was measured.", size="sm")
    parts = [dmc.Text("Against it", fw=600, size="sm"), told] if revived.best != telling.UNCHANGED else []
    if revived.recipe is not None:
        train = html.Code(f"flatline train {revived.recipe}", style={"overflowWrap": "anywhere"})
        parts += [dmc.Text("Train by it", fw=600, size="sm"), dmc.Text(train, size="sm")]
    return dmc.Stack(parts, gap=4)


def _table(logs: Path, revived: Revived) -> dmc.Table:
    head = dmc.TableThead(dmc.TableTr([dmc.TableTh(heading) for heading in telling.HEADINGS]))
    rows = [_row(logs, arm, is_best=arm["intervention"] == revived.best) for arm in revived.arms]
    return dmc.Table([head, dmc.TableTbody(rows)], id="arms", verticalSpacing=4, className="numbers")


def _row(logs: Path, arm: Mapping[str, Any], *, is_best: bool) -> dmc.TableTr:
    name, *words = telling.cells(arm)
    rest: list[Any] = list(words)
    run = None if arm["run"] is None else Path(arm["run"]).name
    first = _way(name, run_address(run, "diagnosis")) if run and run_path(logs, run) else name
    mark = dmc.Text("prescribed", size="xs", fw=600, c="var(--flatline-good)")
    is_cure = is_best and arm["intervention"] != telling.UNCHANGED
    colour = VERDICTS[arm["verdict"]][1] if arm["verdict"] in VERDICTS else "var(--flatline-bad)"
    rest[VERDICT] = dmc.Text(rest[VERDICT], size="sm", c=colour)
    cells: Sequence[Any] = ([html.B(first), mark] if is_cure else first, *rest)
    return dmc.TableTr([dmc.TableTd(cell) for cell in cells])


def _way(words: str, address: str, **more: Any) -> html.A:
    return html.A(words, href=address, className="page-link", **more)


def _card(children: Sequence[Any]) -> html.Div:
    return html.Div(dmc.Stack(list(children), gap="sm"), className="card", style={"padding": "14px 18px"}, id="tried")
