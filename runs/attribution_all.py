"""Attributions of every clip that a run was evaluated on, kept in the run; what it keeps is not computed again."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..data import DataError, load_dataset
from ..diagnostics.attribution.names import DEFAULT_METHOD, check_names
from ..diagnostics.errors import RunError, unknown
from .attributing import SEVERAL, Attributor, Progress, Settings, attribute_given
from .attribution_clips import clip_of_file, evaluated_clips
from .attribution_store import Stored
from .run import Run
from .task import of_splits


@dataclass
class AllClips:
    """What came of the clips.

    found : attributions, clip by clip
    left_out : why, of each clip that could not be attributed
    """

    found: list[Stored] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)


def attribute_clips(
    run: Run,
    root: Path,
    wanted: str = "true",
    methods: Sequence[str] = (DEFAULT_METHOD,),
    *,
    iteration: int | None = None,
    settings: Settings | None = None,
    progress: Progress | None = None,
) -> AllClips:
    """As `attributing.attribute_clip`, of all clips of a data root that the run was not trained on.

    Each attribution is kept as soon as it is there, so that whatever stops a call, the next one goes on.

    root : data root; of another one than the run's its test clips, else all
    wanted : a class, `top`, `true` (each clip's labels; a clip without any is left out) or `all`
    progress : called with (clips done, of)
    Raises UnknownNameError, RunError or DataError, each with one message for a person.
    """
    chosen, names, came = settings or Settings(), list(dict.fromkeys(methods)), AllClips()
    check_names(names, chosen.baseline)
    asked = Attributor(run, iteration, root)
    if wanted not in (known := [*run.classes, *SEVERAL]):
        raise unknown("class", wanted, known, f"run {run.name}")
    clipset = load_dataset(root, on_problem="collect")
    places = evaluated_clips(run, asked.recipe, clipset)
    came.left_out += [str(problem) for problem in of_splits(clipset.problems, {clipset.clips[i].split for i in places})]
    for done, place in enumerate(places):
        if progress is not None:
            progress(done, len(places))
        clip = clipset.clips[place]
        try:
            given = clip_of_file(clip.path, clip.fname, clip.labels, asked.settings, asked.scaling)
            if wanted == "true" and not set(clip.labels) & set(run.classes):
                raise DataError(f"{clip.fname} has none of the run's classes as a label")
        except DataError as fault:
            came.left_out.append(str(fault))
            continue
        came.found += attribute_given(asked, given, wanted, names, chosen)
    if not came.found:
        raise RunError(f"no clip of {root} can be attributed (--all-clips): {next(iter(came.left_out), 'it has none')}")
    if progress is not None:
        progress(len(places), len(places))
    return came
