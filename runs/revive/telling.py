"""What trials came to, in words: for a page, a report and a story alike; needs no torch."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..display import number
from .revived import Revived

UNCHANGED = "unchanged"

SICK = ("collapsed", "at-risk")
"""Verdicts of runs for which there is something to try."""

HEADINGS = (
    *("what was changed", "lwlrap", "chance", "constant level", "verdict", "gradient RNN / head"),
    *("the RNN carries", "iterations", "seconds", "why it ended there"),
)
"""Of a row of `cells`."""


def changes(name: str, joined: str = ", then ") -> str:
    """An arm's name, its interventions one after the other.

    >>> changes("fix-objective+prior-bias")
    'fix-objective, then prior-bias'
    """
    return name.replace("+", joined)


def cells(arm: Mapping[str, Any]) -> tuple[str, ...]:
    """An arm as words under HEADINGS; what is not known is a dash.

    >>> row = {"intervention": "prior-bias", "lwlrap": 0.5, "rnn_share": None, "iterations": 350, "seconds": 31.2}
    >>> cells(row)
    ('prior-bias', '0.500', '–', '–', 'could not be trained', '–', '–', '350', '31', '')
    """
    return (
        changes(arm["intervention"], " + "),
        *(number(arm.get(score)) for score in ("lwlrap", "chance", "constant")),
        outcome(arm),
        number(arm.get("gradient_ratio")),
        share(arm.get("rnn_share")),
        f"{arm['iterations']:,}",
        f"{arm['seconds']:.0f}",
        arm.get("note") or "",
    )


def outcome(arm: Mapping[str, Any]) -> str:
    """Verdict and cause of an arm."""
    if arm.get("verdict") is None:
        return "could not be trained"
    return arm["verdict"] if arm.get("cause") is None else f"{arm['verdict']}: {arm['cause']}"


def share(value: float | None) -> str:
    """A share of the score.

    >>> share(0.4567), share(-0.001), share(None)
    ('46 %', '0 %', '–')
    """
    return "–" if value is None else f"{round(100 * value)} %"


def carried(value: float) -> str:
    """What the RNN carries of the score above the constant level, in words.

    >>> carried(0.4567), carried(1.02), carried(-0.1)
    ('the RNN carries 46 % of it', 'the RNN carries all of it', 'the RNN carries none of it')
    """
    part = "none" if value < 0.005 else "all" if value > 0.995 else share(value)
    return f"the RNN carries {part} of it"


def headline(revived: Revived) -> str:
    """The prescription in one line; that there is none, where nothing helped."""
    if revived.best != UNCHANGED:
        return f"Prescription: {changes(revived.best)}"
    tried = len(revived.arms) - 1
    return "Nothing could be tried." if tried < 1 else "Nothing that was tried made it better."


def moved(revived: Revived) -> str:
    """The score before and after, beside what it must be held against, and what the RNN carries of it."""
    before, best = revived.arms[0], revived.best_arm
    levels = f"chance {number(best['chance'])}, constant level {number(best['constant'])}"
    told = f"lwlrap {number(before['lwlrap'])} → {number(best['lwlrap'])} ({levels})"
    if best["rnn_share"] is None:
        return f"{told}; what the RNN carries is not known"
    return f"{told}; {carried(best['rnn_share'])}"


def of_seeds(revived: Revived) -> str:
    """The prescription's scores over seeds; nothing where it was tried with one."""
    if revived.mean is None or len(revived.seeds) < 2:
        return ""
    each = ", ".join(number(seed["lwlrap"]) for seed in revived.seeds)
    told = f"Mean of {len(revived.seeds)} seeds: lwlrap {number(revived.mean)} ({each})"
    has_interval = revived.low is not None and revived.high is not None
    return f"{told}; 95 % interval {number(revived.low)} to {number(revived.high)}." if has_interval else f"{told}."


def stages(revived: Revived) -> list[str]:
    """Each stage in a sentence or two: what was tried on what, and what came of it."""
    return [_stage(stage) for stage in revived.stages]


def _stage(stage: Mapping[str, Any]) -> str:
    on = "The run as it is" if stage["on"] == UNCHANGED else f"With {changes(stage['on'])}"
    found = f"{on} ({stage['cause'] or 'no cause named'})"
    own = [name.split("+")[-1] for name in stage["arms"]]
    tried = f"{found}: tried {', '.join(own)}; {stage['why']}." if own else f"{found}: {stage['why']}."
    reasons = dict.fromkeys(stage["skipped"].values())
    named = {why: [name for name, its in stage["skipped"].items() if its == why] for why in reasons}
    skipped = "; ".join(f"{', '.join(names)} ({why})" for why, names in named.items())
    return f"{tried} Not tried: {skipped}." if skipped else tried


def effort(revived: Revived) -> str:
    """What the trials took."""
    parts = [f"{len(revived.arms) - 1} arms from iteration {revived.from_iteration:,}"]
    if revived.seconds is not None:
        parts.append(f"{revived.seconds:.0f} seconds")
    if revived.cost is not None:
        parts.append(f"{revived.cost:.2f} of the iterations that they would have, each trained to its end")
    ended = f"; stopped early, since {revived.stopped}" if revived.stopped else ""
    return ", ".join(parts) + ended + "."


def run_names(revived: Revived) -> list[str]:
    """Names of the runs to put side by side: the one that was treated, and the prescribed arm where there is one."""
    best = revived.best_arm["run"]
    return list(dict.fromkeys(Path(path).name for path in (revived.run, best) if path is not None))


def command(name: str, *, has_recipe: bool) -> str:
    """What makes trials of a run: a command, or for a loop of one's own a call."""
    return f"flatline revive {name}" if has_recipe else f'flatline.revive("{name}", trial=your_loop)'


def parent_of(info: Mapping[str, Any]) -> tuple[str, str] | None:
    """Of an arm's run.json: the name of the run that it is an arm of, and its changes; None of any other run."""
    parent = info.get("parent")
    if not isinstance(parent, Mapping) or not isinstance(parent.get("run"), str):
        return None
    given = parent.get("given")
    named: Sequence[Any] = given if isinstance(given, list) and given else [UNCHANGED]
    return parent["run"], ", then ".join(map(str, named))
