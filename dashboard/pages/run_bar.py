"""What stands over every page of a run or of a comparison: what it is, what became of it, and the ways on."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import dash_mantine_components as dmc
from dash import Dash, Input, Output, State, html, no_update, set_props

from ...runs.attribution_store import FOLDER as ATTRIBUTIONS
from ...runs.kept_clips import kept_clips
from ...runs.listing import recorded_mark
from ...runs.localisation_store import FILE as LOCALISATION
from ...runs.run import Run
from ..addresses import HOME, RUN_PAGES, Address, compare_address, parse, run_address, run_path
from ..attributing_kept import kept_attributions
from ..judging import Judge
from ..shell import (
    ALL_CLASSES,
    BAR,
    BESIDE,
    CLASS,
    CLIP,
    CONTROLS,
    CURSOR,
    ENDED_MS,
    LIVE_MS,
    MAP,
    PULSE,
    RECORDED,
    SEEN,
    URL,
)
from .cursor import cursor_of
from .diagnosis_tried import arm_line, trials_mark
from .figure_page import reason

STATE_COLOURS = {"running": "blue", "finished": "teal", "interrupted": "orange", "failed": "red"}

VERDICT_COLOURS = {"collapsed": "red", "at-risk": "orange", "healthy": "teal", "undetermined": "gray"}

CONTROLS_OF = {
    "vitals": "iteration",
    "classes": "iteration",
    "localisation": "iteration clip class map",
    "attribution": "iteration clip class method baseline beside",
    "diagnosis": "iteration",
    "compare": "iteration clip",
}
"""Which controls a page shows."""


def register(app: Dash, logs: Path, judge: Judge) -> None:
    """One callback for all that a page must know of its runs; it says nothing while nothing is new."""

    @app.callback(
        Output(SEEN, "data"),
        Output(RECORDED, "data"),
        Output(PULSE, "interval"),
        Output(BAR, "children"),
        Output(CONTROLS, "hidden"),
        Output(CONTROLS, "data-shows"),
        Output(CURSOR, "data"),
        Output(CLIP, "data"),
        Output(CLASS, "data"),
        Output(MAP, "data"),
        Input(PULSE, "n_intervals"),
        Input(URL, "pathname"),
        Input(URL, "search"),
        State(SEEN, "data"),
        State(RECORDED, "data"),
        State(BESIDE, "value"),
        State(CLIP, "value"),
    )
    def ask(
        _: int,
        path: str | None,
        search: str | None,
        seen: str | None,
        recorded: str | None,
        beside: str | None,
        clip: str | None,
    ) -> tuple[Any, ...]:
        address = parse(path or "/", search)
        found = news(logs, judge, address, seen, recorded, beside=beside, clip=clip)
        if found[0] is not no_update and address is not None and address.page != "attribution":
            set_props(CLASS, {"placeholder": ALL_CLASSES})  # an attribution is of one, and its page says which
        return found


def news(
    logs: Path,
    judge: Judge,
    address: Address | None,
    seen: str | None,
    recorded: str | None = None,
    *,
    beside: str | None = None,
    clip: str | None = None,
) -> tuple[Any, ...]:
    """What is new in the runs of a page.

    seen : what the bar last spoke of; recorded : what the figures last showed (another page of the run draws them anew)
    beside, clip : of an attribution's page: the run that stands beside, and the clip
    Returns both as they are now, the pace of asking, bar, controls hidden or not and which, cursor, clips, classes and
    maps.
    """
    if address is None or not address.names:
        return ("", "", LIVE_MS, None, True, "", None, [], [], [])
    paths = [run_path(logs, name) for name in address.names]
    there = [path for path in paths if path is not None]
    mark = repr([(path.name, recorded_mark(path), _judged(judge, path)) for path in there] + [len(paths) - len(there)])
    if address.page == "diagnosis":
        mark += repr([trials_mark(path) for path in there])
    if address.page == "attribution":
        mark += repr([_attributed(path) for path in (*there, run_path(logs, beside)) if path is not None])
    bars = repr((address, mark))
    pace = LIVE_MS if any(_is_open(judge, path) for path in there) else ENDED_MS
    if bars == seen:
        return (no_update, no_update, pace, *[no_update] * 7)
    shows = CONTROLS_OF.get(address.page, "")
    drawn = no_update if mark == recorded else mark
    over = _deleted(address) if not there and (seen or "").startswith(f"({address!r},") else bar(logs, judge, address)
    return bars, drawn, pace, over, not (shows and there), shows, *_choices(there, address, clip)


def _attributed(path: Path) -> list[int | None]:
    """What changes with each attribution that is kept, and each table of scores; reads no file."""
    return [_changed(path / part) for part in (ATTRIBUTIONS, LOCALISATION)]


def _changed(path: Path) -> int | None:
    try:
        return path.stat().st_mtime_ns if isinstance(path, Path) else None
    except OSError:
        return None


def _choices(paths: Sequence[Path], address: Address, clip: str | None) -> tuple[Any, ...]:
    """Cursor, clips, classes and maps of the runs; nothing where they cannot be read.

    Of attributions there may be those of other clips; which classes are a clip's is for their page to say.
    """
    try:
        runs = [Run(path) for path in paths]
        if not runs:
            return None, [], [], []
        clips, classes, maps = runs[0].info.get("clips", []), runs[0].classes, runs[0].map_names
        if address.page == "attribution":
            named = [name for name in (address.clip, clip) if name]
            others = [*kept_clips(runs[0]), *(one.clip for one in kept_attributions(runs[0].path)), *named]
            return cursor_of(runs), list(dict.fromkeys(others)), no_update, maps
        return cursor_of(runs), clips, [str(name) for name in classes], maps
    except Exception as error:
        reason(error, "the cursor")
        return None, [], [], []


def _judged(judge: Judge, path: Path) -> str:
    summary = judge.summary(path)
    return "" if summary is None else str(summary.get("mark") or summary.get("error"))


def status_of(path: Path) -> str:
    """The run's status; "gone" where it cannot be read any more."""
    try:
        return Run(path).status
    except Exception:
        return "gone"


def _is_open(judge: Judge, path: Path) -> bool:
    """Whether more may come soon: the run trains, or is being judged."""
    status = status_of(path)
    if status in ("running", "gone"):
        return status == "running"
    summary = judge.summary(path)
    return summary is None or not summary.get("is_current", True)


def bar(logs: Path, judge: Judge, address: Address) -> Any:
    """The bar of a page."""
    if address.page == "compare":
        return _compared(logs, judge, address)
    name = address.run or ""
    path = run_path(logs, name)
    if path is None:
        return None
    return dmc.Stack([_heading(path, judge), _tabs(name, address.page)], gap=6, mb="sm")


def _deleted(address: Address) -> dmc.Alert:
    names = " and ".join(repr(name) for name in address.names)
    text = [f"There is nothing more to read of {names}. ", html.A("Back to all runs", href=HOME, className="page-link")]
    return dmc.Alert(text, title="This run was deleted or renamed", color="red", id="run-gone", mb="sm")


def _heading(path: Path, judge: Judge) -> dmc.Group:
    title = dmc.Title(path.name, order=2, style={"overflowWrap": "anywhere"})
    try:
        run = Run(path)
        facts = [_state(run.status, id="run-state"), *_verdict(judge, path, run.status), *_make(run)]
        facts.append(arm_line(path.parent, run.info))
    except Exception as error:
        facts = [dmc.Text(reason(error, path.name), size="sm", c="red")]
    return dmc.Group([title, *facts], gap="md", align="center")


def _state(status: str, **more: Any) -> dmc.Badge:
    return dmc.Badge(status, color=STATE_COLOURS.get(status, "gray"), size="lg", variant="light", tt="none", **more)


def _verdict(judge: Judge, path: Path, status: str) -> list[Any]:
    """The verdict with its cause, and the way to why."""
    summary = judge.summary(path)
    if status == "gone" or summary is None:
        words = "" if status == "gone" else "being judged …"
        return [dmc.Text(words, size="sm", c="dimmed", id="run-verdict")]
    return [link(_badge(summary), run_address(path.name, "diagnosis"), id="run-verdict", className="page-link plain")]


def _badge(summary: dict[str, Any]) -> dmc.Badge:
    """Verdict and cause; that a run could not be judged, with the reason on hover."""
    if "diagnosis" not in summary:
        return dmc.Badge(
            "not judged", color="gray", size="lg", tt="none", attributes={"root": {"title": str(summary["error"])}}
        )
    verdict, cause = summary["diagnosis"]["verdict"], summary["diagnosis"]["cause"]
    words = f"{verdict}: {cause}" if cause else verdict
    return dmc.Badge(words, color=VERDICT_COLOURS.get(verdict, "gray"), size="lg", variant="filled", tt="none")


def _make(run: Run) -> list[dmc.Text]:
    model = run.recipe.get("model", {})
    make = {
        "architecture": model.get("architecture"),
        "head": model.get("head"),
        "loss": run.info.get("loss_kind"),
        "seed": run.recipe.get("seed"),
    }
    known = {what: value for what, value in make.items() if value is not None}
    return [dmc.Text([f"{what} ", html.B(str(value))], size="sm", c="dimmed") for what, value in known.items()]


def _tabs(name: str, here: str) -> html.Nav:
    links = [
        link(
            page.capitalize(),
            run_address(name, page),
            className="page-link page-tab here" if page == here else "page-link page-tab",
        )
        for page in RUN_PAGES
    ]
    return html.Nav(links, className="page-tabs")


def link(inside: Any, address: str, **more: Any) -> html.A:
    """A way to another page that keeps the cursor, the zoom and what is chosen (assets/flatline.js follows it)."""
    return html.A(inside, href=address, **{"className": "page-link", **more})


def _compared(logs: Path, judge: Judge, address: Address) -> Any:
    lines = []
    for name in address.runs:
        path = run_path(logs, name)
        if path is None:
            lines.append(dmc.Text(f"There is no run named {name!r}.", c="red", size="sm"))
            continue
        less = [other for other in address.runs if other != name]
        away = link("×", compare_address(less, address.by) if less else HOME, title="Leave this run out")
        title = link(html.B(name), run_address(name))
        lines.append(dmc.Group([title, _state(status_of(path)), _said(judge, path), away], gap="sm"))
    return dmc.Stack([dmc.Title("Side by side", order=2), *lines], gap=4, mb="sm")


def _said(judge: Judge, path: Path) -> Any:
    summary = judge.summary(path)
    return dmc.Text("being judged …", size="sm", c="dimmed") if summary is None else _badge(summary)
