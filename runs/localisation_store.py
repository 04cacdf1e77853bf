"""How well a run's maps and attributions fit true onsets, as the run keeps it; reading needs neither torch nor captum.

`localisation.json` holds the table of the last `flatline localise`. What its attributions were computed to, one value a
frame for each clip and class, stands in `localisation/` (`runs/localised_frames.py`).
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ..diagnostics.errors import RunError
from .jsons import write_json
from .places import is_file

FILE = "localisation.json"

FORM = 1
"""Raised when the numbers mean something else; a table of another form is not read."""

ALL = "all"
"""The class of the rows over all classes."""

LOCALISATION, ATTENTION = "localisation", "attention"
"""What a row is by, besides the name of a method: the network's own maps."""

KEYS = ("by", "class", "pointing_game", "chance", "frame_f1", "event_f1")
"""Of a row of `flatline localise --json`."""


@dataclass(frozen=True)
class Score:
    """One way to say when a class is heard, against true onsets. What is not known is NaN.

    by : "localisation", "attention", or an attribution method
    class_name : a class, or "all"
    pointing_game : share of the pairs in whose true events the highest frame lies
    chance : what a frame drawn at random would reach
    frame_f1 : of the frames above a threshold
    event_f1 : of the events that these frames make, with collars (sed_eval)
    psds : polyphonic sound detection score (psds_eval), of all classes' rows alone
    pairs : of a clip and one of its true classes
    informative : pairs whose attribution says something; None of the network's own maps
    """

    by: str
    class_name: str
    pointing_game: float
    chance: float
    frame_f1: float
    event_f1: float
    psds: float = math.nan
    pairs: int = 0
    informative: int | None = None

    def to_json(self) -> dict[str, Any]:
        """As `flatline localise --json` prints it."""
        return {key: self.class_name if key == "class" else getattr(self, key) for key in KEYS}


@dataclass(frozen=True)
class Localised:
    """A run's table, and what it is of.

    run : the run's folder
    iteration, checkpoint : of the weights; the name of their file
    data, events : data root and table of true onsets
    clips, clips_there : clips that were looked at, and how many there are with a true event
    frame_s : seconds between frames
    rows : by way, the row of all classes first
    maps : path of the module whose map a row is by, for "localisation" and "attention"
    thresholds : by way, share of a clip's peak from which a frame counts, one for either half of the clips
    loudest : share of the pairs in whose true events the clip's loudest frame lies, for comparison; NaN is not known
    notes : what a reader must know, in words: nothing to localise, what was left out, what is not installed
    mark : of weights, clips and true events; two tables with one mark can be laid side by side
    """

    run: str
    iteration: int
    checkpoint: str
    data: str
    events: str
    clips: int
    clips_there: int
    frame_s: float
    rows: tuple[Score, ...]
    maps: dict[str, str] = field(default_factory=dict)
    thresholds: dict[str, list[float]] = field(default_factory=dict)
    loudest: float = math.nan
    notes: tuple[str, ...] = ()
    mark: str = ""

    @property
    def ways(self) -> list[str]:
        """What the rows are by, in their order."""
        return list(dict.fromkeys(row.by for row in self.rows))

    @property
    def classes(self) -> list[str]:
        """Classes that have a row, in their order."""
        return list(dict.fromkeys(row.class_name for row in self.rows if row.class_name != ALL))

    def score(self, by: str, class_name: str = ALL) -> Score | None:
        """The row of a way and a class; None where there is none."""
        return next((row for row in self.rows if (row.by, row.class_name) == (by, class_name)), None)


def stored_localisation(run: Path) -> Localised | None:
    """What a run keeps; None where it keeps nothing, or nothing that can be read."""
    path = run / FILE
    try:
        if not is_file(path):
            return None
        found = json.loads(path.read_bytes())
        return _localised(found, run) if found["form"] == FORM else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write_localisation(run: Path, found: Localised) -> None:
    """Keep a table in place of the last.

    Raises RunError where the run's folder cannot be written.
    """
    facts = {name: value for name, value in vars(found).items() if name not in ("run", "rows")}
    rows = [asdict(row) for row in found.rows]
    try:
        write_json(run / FILE, {"form": FORM, **facts, "rows": rows})
    except OSError as error:
        raise RunError(f"{run / FILE} cannot be written ({error.strerror or error}); see to the disk") from error


def _localised(facts: Mapping[str, Any], run: Path) -> Localised:
    given = {name: facts[name] for name in Localised.__dataclass_fields__ if name not in ("run", "rows")}
    rows = tuple(_score(row) for row in facts["rows"])
    numbers = {name: _number(given[name]) for name in ("frame_s", "loudest")}
    return Localised(run=str(run), rows=rows, **{**given, **numbers, "notes": tuple(given["notes"])})


def _score(row: Mapping[str, Any]) -> Score:
    numbers = {name: _number(row[name]) for name in ("pointing_game", "chance", "frame_f1", "event_f1", "psds")}
    return Score(row["by"], row["class_name"], **numbers, pairs=int(row["pairs"]), informative=row["informative"])


def _number(value: Any) -> float:
    return math.nan if value is None else float(value)


def rows_of(found: Sequence[Localised]) -> list[dict[str, Any]]:
    """As `flatline localise --json` prints one run or several; of several each row begins with its run."""
    if len(found) == 1:
        return [row.to_json() for row in found[0].rows]
    return [{"run": one.run, **row.to_json()} for one in found for row in one.rows]
