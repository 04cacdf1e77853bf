"""How well a run's own maps, and attributions of its network, say when each true class is heard."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..data import DataError, load_dataset
from ..data.clipset import Clip
from ..data.events import FILE, EventTable, read_events
from ..diagnostics.attribution.names import DEFAULT_BASELINE, DEFAULT_METHOD, check_names
from .attributing import Attributor
from .attribution_clips import evaluated_clips
from .localisation_store import Localised, write_localisation
from .localised_frames import FrameStore
from .localised_look import Looking
from .run import Run

DEFAULT_CLIPS = 50
"""Clips that are looked at, evenly spaced, unless all are asked for; ours: a minute of integrated gradients."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True, eq=False)
class Chosen:
    """The clips that are looked at, with their true events of the run's classes.

    there : how many clips have such events
    notes : what was left out, in words
    """

    clips: tuple[Clip, ...]
    table: EventTable
    there: int
    notes: tuple[str, ...]


def localise(
    run: Run,
    methods: Sequence[str] = (DEFAULT_METHOD,),
    *,
    root: Path,
    events: Path | None = None,
    n_clips: int | None = DEFAULT_CLIPS,
    iteration: int | None = None,
    progress: Progress | None = None,
) -> Localised:
    """Score a run's maps and attributions by frame against true onsets, and keep the table in the run.

    Looked at are the clips that the run was evaluated on (of another data root its test clips, else all), each with
    each of its true classes. What the run keeps already of the same weights and clips is not computed again, so that
    whatever stopped a call, the next one goes on.

    root : data root
    events : table of true onsets; None is `events.csv` of the root
    n_clips : so many, evenly spaced; None is all
    iteration : as `Attributor`
    progress : called with (clips done, of)
    Raises UnknownNameError, RunError or DataError, each with one message for a person.
    """
    names = list(dict.fromkeys(methods))
    check_names(names, DEFAULT_BASELINE)
    asked = Attributor(run, iteration, root)
    chosen = choose(asked, root, read_events(events or root / FILE), n_clips)
    looking = Looking(asked, names, FrameStore(run.path, asked.weights))
    for done, clip in enumerate(chosen.clips):
        if progress is not None:
            progress(done, len(chosen.clips))
        looking.look(done, clip, chosen.table)
    if progress is not None:
        progress(len(chosen.clips), len(chosen.clips))
    found = looking.table(root, chosen.table, chosen.there, chosen.notes)
    write_localisation(run.path, found)
    return found


def choose(asked: Attributor, root: Path, table: EventTable, n_clips: int | None) -> Chosen:
    """Which clips are looked at.

    Raises DataError where no clip has a true event of the run's classes.
    """
    clipset = load_dataset(root, on_problem="collect")
    classes = set(asked.run.classes)
    candidates = [clipset.clips[place] for place in evaluated_clips(asked.run, asked.recipe, clipset)]
    with_events = [
        clip for clip in candidates if any(event.label in classes for event in table.events.get(clip.fname, ()))
    ]
    notes = table.unknown({clip.fname for clip in clipset.clips}, classes)
    if not with_events:
        said = "".join(f"; {note}" for note in notes)
        raise DataError(
            f"{table.path} has no event of the classes of run {asked.run.name} in the {len(candidates)} clips that can "
            f"be scored{said}; give the table of this data root with --events"
        )
    n = len(with_events) if n_clips is None else min(n_clips, len(with_events))
    places = np.linspace(0, len(with_events) - 1, n).round().astype(int)
    return Chosen(tuple(with_events[place] for place in places), table, len(with_events), notes)
