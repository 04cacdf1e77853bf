"""What is kept of the pinned clips when training begins."""

import csv
import math
from collections.abc import Mapping
from pathlib import Path

import librosa
import numpy as np
from torch import Tensor

from ..data import DataError, FeatureSettings, read_clip
from .kept_clips import Event, KeptClip, keep_clip
from .outage import say
from .task import Task

EVENTS = "events.csv"
"""True onsets and offsets, where a data root has them: fname, onset_s, offset_s, event_label."""


def keep_pinned(run: Path, task: Task, given: Mapping[str, Tensor], *, fsync: bool = False) -> None:
    """Keep the pinned clips in a run's folder: input, labels, true onsets, and the sound that the model is given.

    given : (frame, mel) as the model gets it, by name
    What cannot be read or written is said, and nothing raised.
    """
    events = events_in(task.clipset.root) if given else {}
    places = {task.clipset.clips[index].fname: index for index in task.validation.tolist()} if given else {}
    for name, mel in given.items():
        clip = task.clipset.clips[places[name]]
        samples, rate_hz = sound(clip.path, task.settings.duration_s)
        heard = events.get(name)
        kept = KeptClip(
            name=name,
            mel=mel.cpu().numpy(),
            labels=clip.labels,
            frame_s=task.settings.hop_length / task.settings.rate_hz,
            hz=mel_hz(task.settings),
            n_real=min(len(task.features[int(task.place[places[name]])]), len(mel)),
            events=None if heard is None else tuple(e for e in heard if e.onset_s < task.settings.duration_s),
            sample_rate_hz=rate_hz,
        )
        keep_clip(run, kept, samples, fsync=fsync)


def mel_hz(settings: FeatureSettings) -> np.ndarray:
    """(mel,) centre frequencies of the filters that `data.features.log_mel` uses, in Hz."""
    highest = settings.rate_hz / 2 if settings.fmax_hz is None else settings.fmax_hz
    return librosa.mel_frequencies(settings.n_mels + 2, fmin=settings.fmin_hz, fmax=highest)[1:-1]


def events_in(root: Path) -> dict[str, tuple[Event, ...]]:
    """True onsets and offsets of a data root by clip, ascending; a clip that the file does not name has none.

    Empty where there is no such file, or, which is said, where it cannot be read.
    """
    found: dict[str, list[Event]] = {}
    try:
        with (root / EVENTS).open(newline="", encoding="utf-8-sig") as file:
            for row in csv.DictReader(file):
                found.setdefault(row["fname"], []).append(_event(row))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, csv.Error) as error:
        say(f"{root / EVENTS} cannot be read ({type(error).__name__}: {error}); true onsets are left out")
        return {}
    return {name: tuple(sorted(events, key=lambda event: event.onset_s)) for name, events in found.items()}


def _event(row: Mapping[str, str]) -> Event:
    onset_s, offset_s = float(row["onset_s"]), float(row["offset_s"])
    if not (math.isfinite(onset_s) and math.isfinite(offset_s)):
        raise ValueError(f"onset {onset_s}, offset {offset_s} of {row['fname']}")
    return Event(onset_s, offset_s, str(row["event_label"]))


def sound(path: Path, duration_s: float) -> tuple[np.ndarray | None, int | None]:
    """Samples, cut to what the model sees, and their rate; features may come from a cache, and the file be gone."""
    try:
        waveform = read_clip(path)
    except (DataError, OSError) as error:
        say(f"the sound of pinned clip {path} is not kept: {error}")
        return None, None
    return waveform.samples[: round(duration_s * waveform.sample_rate_hz)], waveform.sample_rate_hz
