"""Which attribution a page or a figure shows: what was chosen, and what a run keeps of it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ..diagnostics.attribution.names import BASELINES, DEFAULT_BASELINE, DEFAULT_METHOD, METHODS, method_named
from ..diagnostics.errors import FlatlineError, RunError, unknown
from ..runs.attributed_clips import attributed_clip
from ..runs.attribution_store import Stored
from ..runs.kept_clips import KeptClip, clip_scores, kept_clips
from ..runs.run import Run
from .attributing_kept import kept_attributions


@dataclass(frozen=True, eq=False)
class Chosen:
    """What is to be shown of a run. What is not known is None.

    clip, class_name, method, baseline : as chosen, or as they are where nothing was
    iteration : of the weights
    stored : the attribution; None where the run does not keep it
    beside : of the same clip, class, baseline and iteration by every method that is kept, this one included
    elsewhere : other iterations at which the run keeps it, ascending
    kept : what is kept of the clip; None where nothing is
    """

    run: Run
    clip: str | None
    class_name: str | None
    method: str
    baseline: str
    iteration: int | None
    stored: Stored | None = None
    beside: tuple[Stored, ...] = ()
    elsewhere: tuple[int, ...] = ()
    kept: KeptClip | None = None

    @property
    def labels(self) -> tuple[str, ...]:
        """The clip's true labels, as far as they are known."""
        return (self.kept.labels or ()) if self.kept is not None else ()


def choose(
    run: Run,
    *,
    iteration: int | None = None,
    clip: str | None = None,
    class_name: str | None = None,
    method: str | None = None,
    baseline: str | None = None,
) -> Chosen:
    """What is shown where this was chosen.

    iteration : exactly; None is the newest of those that are kept of the rest
    clip : None is the first pinned one, else the first that there is an attribution of
    class_name : None is the clip's first label, else one that is kept; "top" the class that the network scored highest
    method : None is integrated gradients, or, where that is not kept, one that is
    Raises UnknownNameError for a class, method or baseline that there is not.
    """
    _check(run, class_name, method, baseline)
    start = baseline or DEFAULT_BASELINE
    kept = [one for one in kept_attributions(run.path) if is_plain(one, start)]
    name = clip or next(iter(kept_clips(run)), None) or next((one.clip for one in kept), None)
    of_clip = [one for one in kept if one.clip == name]
    there = _kept(run, name)
    target = _class(run, name, class_name, iteration, there, of_clip)
    of_class = [one for one in of_clip if one.class_name == target]
    way = method or _method(of_class, iteration)
    found = [one.iteration for one in of_class if one.method == way]
    at = max(found, default=None) if iteration is None else iteration
    beside = tuple(one for one in of_class if one.iteration == at)
    stored = next((one for one in beside if one.method == way), None)
    elsewhere = tuple(sorted({one for one in found if one != at}))
    return Chosen(run, name, target, way, start, at, stored, beside, elsewhere, there)


def is_plain(one: Stored, baseline: str) -> bool:
    """Whether it is from that baseline, of what the network gives, without noise: all that a page asks for.

    The mean of other data than the run's (`mean_of`) is another baseline.
    """
    options = one.options
    is_from = options.get("baseline") == baseline and "mean_of" not in options
    return is_from and options.get("of") is None and not options.get("noise")


def _check(run: Run, class_name: str | None, method: str | None, baseline: str | None) -> None:
    if class_name is not None and class_name not in run.classes and class_name != "top":
        raise unknown("class", class_name, [*run.classes, "top"], f"run {run.name}")
    if method is not None:
        method_named(method)
    if baseline is not None and baseline not in BASELINES:
        raise unknown("baseline", baseline, BASELINES, "attribution")


def _kept(run: Run, clip: str | None) -> KeptClip | None:
    try:
        return None if clip is None else attributed_clip(run, clip)
    except RunError:
        return None


def _class(
    run: Run,
    clip: str | None,
    class_name: str | None,
    iteration: int | None,
    kept: KeptClip | None,
    stored: Sequence[Stored],
) -> str | None:
    if class_name is not None and class_name in run.classes:
        return class_name
    if class_name is None:
        true = [label for label in (kept.labels or () if kept is not None else ()) if label in run.classes]
        if true:
            return true[0]
    scored = _top(run, clip, iteration)
    if scored is not None:
        return scored
    return next((one.class_name for one in stored if class_name is None), None)


def _top(run: Run, clip: str | None, iteration: int | None) -> str | None:
    """The class that the network scored highest at the evaluation there; None where that was not recorded."""
    if clip is None or clip not in (run.info.get("clips") or []):
        return None
    try:
        scores: pd.DataFrame = clip_scores(run, clip)
    except FlatlineError:
        return None
    at = scores.index[-1] if iteration is None and len(scores) else iteration
    if at not in scores.index or list(scores.columns) != list(run.classes):
        return None
    row = scores.loc[at].to_numpy(dtype=float)
    return None if np.isnan(row).all() else str(run.classes[int(np.nanargmax(row))])


def _method(stored: Sequence[Stored], iteration: int | None) -> str:
    there = {one.method for one in stored if iteration in (None, one.iteration)}
    known = [method.name for method in METHODS if method.name in there]
    return DEFAULT_METHOD if DEFAULT_METHOD in there or not known else known[0]
