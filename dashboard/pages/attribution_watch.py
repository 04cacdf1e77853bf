"""What a page has computed, as it looks again and again: what is asked for, how far it is, what hinders it."""

import json
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dash_mantine_components as dmc
from dash import html

from ...diagnostics.attribution.names import METHODS
from ...diagnostics.errors import FlatlineError
from ..attributing import Desk, Job, Request
from ..chosen import Chosen
from ..shell import CLASS, METHOD, PULSE
from .attribution_choice import checkpoints_near, hindrance, request_of, sides_of

COMPUTE, EVERY, CANCEL = "compute", "compute-every", "compute-cancel"

MOST_WATCHED = 32
"""Pages whose choice is remembered while something is computed for them; the longest unused goes. Ours: a choice holds
its clip's spectrogram, some 100 kB."""


@dataclass(frozen=True, eq=False)
class Asked:
    """What a page's choice comes to.

    sides : what the columns show
    single : by column what is to be computed of it; None where nothing can be
    requests : all that this page may ask for
    hindered : what hinders it, in words and ways out
    """

    sides: Sequence[Chosen]
    single: Sequence[Request | None]
    requests: Sequence[Request]
    hindered: Sequence[Any]


class Watch:
    """The choices of one app's pages for which something is computed: their runs are not read at every look.

    A look comes four times a second, and while a job is open nothing of what is asked changes.
    """

    def __init__(self, most: int = MOST_WATCHED) -> None:
        self.most = most
        self._asked: OrderedDict[str, Asked] = OrderedDict()
        self._guard = threading.Lock()

    def asked(self, logs: Path, name: str, picked: Mapping[str, Any], desk: Desk, *, is_look: bool) -> Asked:
        """What a choice comes to.

        is_look : nothing was pressed, and something was being computed at the last look
        Raises RunError for a run that is not there.
        """
        key = json.dumps([str(logs), name, dict(picked)], sort_keys=True)
        with self._guard:
            known = self._asked.get(key)
        if is_look and known is not None and any(job.is_open for job in _jobs(desk, known)):
            return known
        found = _asked(logs, name, picked)
        with self._guard:
            self._asked[key] = found
            self._asked.move_to_end(key)
            while len(self._asked) > self.most:
                self._asked.popitem(last=False)
        return found


def _asked(logs: Path, name: str, picked: Mapping[str, Any]) -> Asked:
    sides = [side.chosen for side in sides_of(logs, name, picked) if side.chosen is not None]
    wanted = "top" if picked.get(CLASS) == "top" else None
    single = [request_of(chosen, wanted) for chosen in sides]
    requests = [*filter(None, single), *filter(None, (request_of(chosen, wanted, every=True) for chosen in sides))]
    return Asked(sides, single, requests, _hindrances(sides))


def _jobs(desk: Desk, asked: Asked) -> list[Job]:
    return [job for request in asked.requests if (job := desk.job(request)) is not None]


def watched(
    logs: Path,
    desk: Desk,
    name: str,
    picked: Mapping[str, Any],
    action: Any,
    *,
    was_open: bool,
    pulse: int,
    watch: Watch | None = None,
) -> dict[str, Any]:
    """What becomes of what the page had computed, after what was asked of it now.

    action : id of the button that was pressed
    was_open : whether something was being computed when the page last looked
    pulse : how often the page has looked for news; once what was computed is there, it looks at once
    watch : of the app; None remembers nothing
    Returns as `attribution.told`.
    """
    try:
        asked = (watch or Watch()).asked(logs, name, picked, desk, is_look=was_open and action is None)
    except FlatlineError as error:
        stopped = {"still": True, "compute": True, "every": True, "cancel": "none", "frame": {}}
        return {**stopped, "state": dmc.Text(str(error), size="sm", c="red")}
    sides, single = asked.sides, asked.single
    _act(desk, asked, action)
    jobs = _jobs(desk, asked)
    is_open = any(job.is_open for job in jobs)
    missing = [one for one, chosen in zip(single, sides, strict=True) if one is not None and chosen.stored is None]
    if missing and not is_open:
        desk.warm(missing[0].run, missing[0].iteration)
    frame: dict[str, dict[str, Any]] = {METHOD: {"data": _methods(desk, sides)}}
    if was_open and not is_open:
        frame[PULSE] = {"n_intervals": pulse + 1}
    if name_of := _class_found(sides[0], jobs, picked.get(CLASS)):
        frame[CLASS] = {"value": name_of}
    return {
        "state": dmc.Stack([*asked.hindered, *map(_job, jobs)], gap=4, mt=6),
        "still": not is_open,
        "compute": is_open or not missing,
        "every": is_open or not any(single),
        "cancel": "inline-block" if is_open else "none",
        "frame": frame,
    }


def _class_found(chosen: Chosen, jobs: Sequence[Job], picked: str | None) -> str | None:
    """The class that was meant by the best-scored one, or by none, once it is known; None where it stays as it is."""
    computed = next((job.class_name for job in jobs if job.state == "done" and job.class_name), None)
    if picked == "top":
        return chosen.class_name or computed
    return computed if picked is None and chosen.class_name is None else None


def _act(desk: Desk, asked: Asked, action: Any) -> None:
    if action == COMPUTE:
        for chosen, request in zip(asked.sides, asked.single, strict=True):
            if request is not None and chosen.stored is None:
                desk.ask(request)
    elif action == EVERY:
        for request in asked.requests:
            if len(request.methods) > 1:
                desk.ask(request)
    elif action == CANCEL:
        for request in asked.requests:
            desk.cancel(request)


def _hindrances(sides: Sequence[Chosen]) -> list[Any]:
    said = []
    for chosen in sides:
        words = hindrance(chosen)
        if not words or chosen.stored is not None:
            continue
        near = checkpoints_near(chosen)
        ways = [_way(one) for one in near]
        said.append(dmc.Group([dmc.Text(words, size="sm"), *(ways if len(sides) == 1 else [])], gap=8))
    return said


def _way(iteration: int) -> html.Button:
    """A button that moves the cursor (assets/cursor.js)."""
    there: dict[str, Any] = {"data-iteration": str(iteration)}
    return html.Button(f"go to {iteration:,}", className="step", type="button", **there)


def _job(job: Job) -> Any:
    """What became of a request, in words."""
    where = f"{job.request.run.name} at {job.request.iteration:,}"
    if job.state == "waiting":
        words = "" if not job.ahead else f", {job.ahead} before it"
        return dmc.Group([dmc.Loader(size="xs"), dmc.Text(f"{where} waits{words} …", size="sm")], gap=8)
    if job.state == "running":
        share = 100 * job.done / max(job.of, 1)
        bar = dmc.Progress(value=max(share, 4), animated=True, w=220)
        return dmc.Group([bar, dmc.Text(f"{where}: {job.done} of {job.of} methods", size="sm")], gap=8)
    if job.state == "cancelled":
        return dmc.Text(f"{where}: cancelled.", size="sm", c="dimmed")
    if job.state == "failed":
        return dmc.Text(f"{where}: {job.said}", size="sm", c="var(--flatline-bad)")
    done = dmc.Text(f"{where}: done in {job.seconds:.1f} s.", size="sm", c="dimmed")
    refused = [dmc.Text(f"{why}.", size="sm", c="dimmed") for _, why in job.refused]
    return dmc.Stack([done, *refused], gap=2)


def _methods(desk: Desk, sides: Sequence[Chosen]) -> list[dict[str, str]]:
    """The methods that can be picked; of those that were found not to fit this network it is said."""
    refused = desk.refused(sides[0].run.path) if sides else {}
    more = {name: " (not for this network)" for name in refused}
    return [{"value": one.name, "label": f"{one.name}{more.get(one.name, '')}"} for one in METHODS]
