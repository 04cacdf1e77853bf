"""Clips and their true classes, looked at one by one; what comes of them all."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from ..data import DataError
from ..data.clipset import Clip
from ..data.events import Event, EventTable
from ..diagnostics.errors import RunError
from ..diagnostics.localisation import drawn_out, frame_values, merged, pointing_game, true_frames
from ..diagnostics.pinned import PinnedClips
from .attributing import Attributor, Settings
from .attribution_clips import GivenClip, clip_of_file
from .event_scores import INSTALL, missing
from .localisation_store import ATTENTION, LOCALISATION, Localised, stored_localisation
from .localised_frames import Frames, FrameStore
from .localised_pairs import Pair, Way, scored


class Looking:
    """Pairs and scores by frame, as they come in clip by clip.

    store : attributions by frame, those of earlier calls among them
    """

    def __init__(self, asked: Attributor, methods: Sequence[str], store: FrameStore) -> None:
        self.asked, self.store = asked, store
        self.maps = own_maps(asked.model.attention)
        self.pairs: list[Pair] = []
        self.values: dict[str, list[np.ndarray]] = {by: [] for by in (*self.maps, *methods)}
        self.informative: dict[str, list[bool]] = {method: [] for method in methods}
        self.loudest: list[float] = []
        self.beyond = 0
        self.faults: list[str] = []

    def look(self, number: int, clip: Clip, table: EventTable) -> None:
        """Every true class of one clip, by every way."""
        try:
            given = clip_of_file(clip.path, clip.fname, clip.labels, self.asked.settings, self.asked.scaling)
        except DataError as fault:
            self.faults.append(str(fault))
            return
        heard = [event for event in table.events[clip.fname] if event.label in self.asked.run.classes]
        pairs = [_pair(number, given, name, heard) for name in dict.fromkeys(event.label for event in heard)]
        seen = [pair for pair in pairs if pair.truth.any()]
        self.beyond += len(pairs) - len(seen)
        maps = self._maps(given) if seen else {}
        for pair in seen:
            self._keep(pair, given, maps)

    def _keep(self, pair: Pair, given: GivenClip, maps: dict[str, np.ndarray]) -> None:
        index = self.asked.run.classes.index(pair.class_name)
        for method in self.informative:
            found = self._attributed(pair, given, method)
            self.values[method].append(found.values)
            self.informative[method].append(found.informative)
        for by, values in maps.items():
            self.values[by].append(values[:, index if values.shape[1] > 1 else 0])
        self.loudest.append(pointing_game(given.mel[: given.n_real].mean(axis=1), pair.truth))
        self.pairs.append(pair)

    def _attributed(self, pair: Pair, given: GivenClip, method: str) -> Frames:
        settings = Settings()
        key = self.asked.key(given, pair.class_name, method, settings)
        kept = self.store.get(key)
        if kept is None:
            (one,) = self.asked.attribute(given, pair.class_name, [method], settings, checks=False)
            kept = Frames(frame_values(one.values, method).astype(np.float32), one.informative, one.why)
            self.store.add(key, kept, **{"clip": given.name, "class": pair.class_name, "by": method})
        return kept

    def _maps(self, given: GivenClip) -> dict[str, np.ndarray]:
        """(frame, class) of the real frames, by way."""
        model, paths = self.asked.model, self.maps
        kinds = {path: model.attention[path] for path in paths.values()}
        _, maps = PinnedClips(model, {"": torch.from_numpy(given.mel)}, kinds).measure()
        return {by: drawn_out(maps[""][path], len(given.mel))[: given.n_real] for by, path in paths.items()}

    def table(self, root: Path, table: EventTable, there: int, notes: Sequence[str]) -> Localised:
        """All pairs scored, with what the run kept of other ways on the same ones.

        there : clips with true events, looked at or not
        notes : what was left out before
        Raises DataError where no pair was seen.
        """
        if not self.pairs:
            why = self.faults[0] if self.faults else "every sound lies behind what the network sees of its clip"
            raise DataError(f"no clip of {root} can be scored (flatline localise): {why}; see `flatline data check`")
        asked, classes = self.asked, [name for name in self.asked.run.classes if name in self._class_names()]
        told = [scored(Way(by, self.values[by], self.informative.get(by)), self.pairs, classes) for by in self.values]
        found = Localised(
            run=str(asked.run.path),
            iteration=asked.iteration,
            checkpoint=asked.checkpoint.name,
            data=str(root.resolve()),
            events=str(table.path.resolve()),
            clips=len(dict.fromkeys(pair.clip for pair in self.pairs)),
            clips_there=there,
            frame_s=self.pairs[0].frame_s,
            rows=tuple(row for rows, _ in told for row in rows),
            maps=self.maps,
            thresholds={by: shares for by, (_, shares) in zip(self.values, told, strict=True)},
            loudest=float(np.mean(self.loudest)),
            notes=(*notes, *self._notes()),
            mark=self._mark(),
        )
        return with_earlier(found, stored_localisation(asked.run.path))

    def _class_names(self) -> set[str]:
        return {pair.class_name for pair in self.pairs}

    def _notes(self) -> list[str]:
        said = []
        if not self.maps:
            said.append(f"{type(self.asked.model).__name__} gives no map of its own")
        if self.beyond:
            said.append(f"{self.beyond} sounds that lie behind what the network sees of their clips were left out")
        if self.faults:
            said.append(f"{len(self.faults)} clips cannot be used and were left out: {self.faults[0]}")
        if absent := missing():
            said.append(f"{' and '.join(absent)} not installed, so there is no {_of(absent)}: {INSTALL}")
        return said

    def _mark(self) -> str:
        about = [(pair.name, pair.class_name, pair.events, len(pair.truth)) for pair in self.pairs]
        return hashlib.blake2b(repr((self.asked.weights, missing(), about)).encode(), digest_size=10).hexdigest()


def own_maps(announced: dict[str, str]) -> dict[str, str]:
    """Which of the modules that a network announces gives its localisation, and which its attention.

    A head without a localisation of its own has its frame-wise classification for one: what the mean over frames is of.

    announced : kind by path

    >>> own_maps({"head.attention": "sigmoid", "head.localisation": "softmax-class"})
    {'localisation': 'head.localisation', 'attention': 'head.attention'}
    >>> own_maps({"head.classification": "sigmoid"})
    {'localisation': 'head.classification'}
    """
    by_name = {path.rpartition(".")[2]: path for path in announced}
    wanted = {LOCALISATION: ("localisation", "classification"), ATTENTION: ("attention",)}
    found = {by: next((by_name[name] for name in names if name in by_name), None) for by, names in wanted.items()}
    return {by: path for by, path in found.items() if path is not None}


def with_earlier(found: Localised, earlier: Localised | None) -> Localised:
    """A table with the rows that an earlier one of the same weights, clips and events has of other ways."""
    if earlier is None or earlier.mark != found.mark:
        return found
    rows = [row for row in earlier.rows if row.by not in found.ways]
    return replace(found, rows=(*found.rows, *rows), thresholds={**earlier.thresholds, **found.thresholds})


def _pair(number: int, given: GivenClip, class_name: str, heard: Sequence[Event]) -> Pair:
    """The class's events as far as real frames reach."""
    if given.frame_s is None:
        raise RunError(f"seconds between the frames of {given.name} are not known (flatline localise)")
    end_s = given.n_real * given.frame_s
    spans = [
        (one.onset_s, min(one.offset_s, end_s)) for one in heard if one.label == class_name and one.onset_s < end_s
    ]
    events = tuple(merged(spans))
    return Pair(number, given.name, class_name, events, true_frames(events, given.n_real, given.frame_s), given.frame_s)


def _of(absent: Sequence[str]) -> str:
    return " and no ".join({"sed_eval": "event F1", "psds_eval": "PSDS"}[name] for name in absent)
