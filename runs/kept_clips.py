"""Pinned clips as a run keeps them, under `clips/`: what the model was given, what is truly in it, its sound.

Reading and writing need neither torch nor librosa; `runs/pinned_clips.py` says what training keeps.
"""

import io
import json
import wave
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from ..diagnostics.errors import RunError, unknown
from .columns import matrix, widest
from .jsons import write_file, write_json
from .map_log import clip_folder
from .outage import reason, say
from .places import is_file
from .reading import SegmentReader
from .run import Run
from .store import StoreError

FOLDER = "clips"

AUDIO, MEL, METADATA = "audio.wav", "mel.npy", "metadata.json"
"""A clip's files in the order in which they are written and, by their names, put into a store: where the last is, all
are."""

FULL_SCALE = 2**15 - 1


@dataclass(frozen=True)
class Event:
    """When a sound of a class is truly heard, in seconds from the clip's start."""

    onset_s: float
    offset_s: float
    label: str


@dataclass(frozen=True, eq=False)
class KeptClip:
    """One pinned clip. What is not known is None.

    mel : (frame, mel) float32 as the model was given it, padding included
    labels : the true classes
    frame_s : seconds between frames; frame i is centred at `i * frame_s`
    hz : (mel,) centre frequencies of the mel bins
    n_real : frames that are not padding
    events : true onsets and offsets
    sample_rate_hz, duration_s : of `audio`, which is cut to what the model sees, and not padded
    audio : a WAV file, 16-bit PCM, mono, at the clip's own rate
    """

    name: str
    mel: np.ndarray
    labels: tuple[str, ...] | None = None
    frame_s: float | None = None
    hz: np.ndarray | None = None
    n_real: int | None = None
    events: tuple[Event, ...] | None = None
    sample_rate_hz: int | None = None
    duration_s: float | None = None
    audio: Path | None = None

    def edges(self, n_frames: int | None = None) -> np.ndarray:
        """Where frames begin and end, in seconds, or in frames where these are not known.

        n_frames : of a map over the whole clip, fewer where the model pools frames; None is those of `mel`
        Returns (n_frames + 1,).
        """
        n_frames = len(self.mel) if n_frames is None else n_frames
        steps = np.arange(n_frames + 1) * (len(self.mel) / max(n_frames, 1))
        return (steps - 0.5) * (1.0 if self.frame_s is None else self.frame_s)


def keep_clip(run: Path, clip: KeptClip, samples: np.ndarray | None = None, *, fsync: bool = False) -> None:
    """Write a clip into a run's folder, unless it is there; that it cannot be written is said, and nothing raised.

    samples : (sample,) float at `clip.sample_rate_hz`, full scale 1; None keeps no sound
    fsync : wait until the disk has it
    """
    folder = run / FOLDER / clip_folder(clip.name)
    try:
        if is_file(folder / METADATA):
            return
        folder.mkdir(parents=True, exist_ok=True)
        if samples is not None and clip.sample_rate_hz:
            write_file(folder / AUDIO, wav(samples, clip.sample_rate_hz), fsync=fsync)
        write_file(folder / MEL, _npy(clip.mel), fsync=fsync)
        write_json(folder / METADATA, _metadata(clip, samples), fsync=fsync)
    except OSError as error:
        say(f"pinned clip {clip.name!r} could not be kept in {folder} ({reason(error)}); training goes on without it")


def kept_clips(run: Run) -> list[str]:
    """Names of the pinned clips that a run keeps, in the order in which they were pinned."""
    return [name for name in _pinned(run) if is_file(run.path / FOLDER / clip_folder(name) / METADATA)]


def kept_clip(run: Run, name: str) -> KeptClip:
    """One of them.

    Raises UnknownNameError for a clip that was not pinned; RunError where the run does not keep it, as those of earlier
    versions of Flatline do not, or where it cannot be read.
    """
    if name not in _pinned(run):
        raise unknown("pinned clip", name, _pinned(run), f"run {run.name}")
    folder = run.path / FOLDER / clip_folder(name)
    try:
        return read_clip_folder(folder, name)
    except FileNotFoundError:
        raise RunError(
            f"run {run.name} keeps nothing of clip {name!r} in {folder}: an earlier Flatline recorded it, or it is no "
            "spectrogram; train it again to see and hear the clip"
        ) from None


def read_clip_folder(folder: Path, name: str) -> KeptClip:
    """A clip as `keep_clip` wrote it.

    Raises FileNotFoundError where it did not, RunError where it cannot be read.
    """
    try:
        facts = json.loads((folder / METADATA).read_bytes())
        mel = np.load(io.BytesIO((folder / MEL).read_bytes()), allow_pickle=False)
        return _clip(name, mel, facts, folder / AUDIO)
    except (FileNotFoundError, StoreError):
        raise
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(f"{folder} cannot be read ({error}); delete it, and a resumed run writes it anew") from error


def clip_scores(run: Run, name: str) -> pd.DataFrame:
    """The model's scores of a pinned clip at each evaluation: iteration x class (or output, by number).

    Of two evaluations at one iteration the newer; NaN where they were not recorded.
    Raises UnknownNameError for a clip that was not pinned.
    """
    if name not in _pinned(run):
        raise unknown("pinned clip", name, _pinned(run), f"run {run.name}")
    table = SegmentReader(run.path / "evaluations", run.path / "tail" / "evaluations").table([f"scores.{name}"])
    column, index = table.column(1), pd.Index(table.column(0).to_numpy(), name="iteration")
    if not pa.types.is_list(column.type):
        return pd.DataFrame(np.nan, index=index, columns=run.classes, dtype=np.float32)
    width = widest(column)
    labels = run.classes if len(run.classes) == width else range(width)
    found = pd.DataFrame(matrix(column, width), index=index, columns=list(labels))
    return found.loc[~found.index.duplicated(keep="last")]


def wav(samples: np.ndarray, sample_rate_hz: int) -> bytes:
    """A WAV file of 16-bit PCM, mono: what every browser plays.

    samples : (sample,) float, full scale 1; what lies beyond is cut to it
    """
    whole = np.rint(np.clip(samples, -1, 1) * FULL_SCALE).astype("<i2")
    held = io.BytesIO()
    with wave.open(held, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(sample_rate_hz)
        file.writeframes(whole.tobytes())
    return held.getvalue()


def _pinned(run: Run) -> list[str]:
    return run.info.get("clips") or []


def _npy(values: np.ndarray) -> bytes:
    held = io.BytesIO()
    np.save(held, np.asarray(values, dtype=np.float32), allow_pickle=False)
    return held.getvalue()


def _metadata(clip: KeptClip, samples: np.ndarray | None) -> dict[str, Any]:
    has_sound = samples is not None and bool(clip.sample_rate_hz)
    return {
        "name": clip.name,
        "labels": clip.labels,
        "frame_s": clip.frame_s,
        "first_frame_s": None if clip.frame_s is None else 0.0,
        "mel_hz": clip.hz,
        "real_frames": clip.n_real,
        "events": None if clip.events is None else [vars(event) for event in clip.events],
        "sample_rate_hz": clip.sample_rate_hz if has_sound else None,
        "duration_s": len(samples) / clip.sample_rate_hz if has_sound else None,  # type: ignore[operator,arg-type]
    }


def _clip(name: str, mel: np.ndarray, facts: Mapping[str, Any], audio: Path) -> KeptClip:
    events, labels, hz = facts["events"], facts["labels"], facts["mel_hz"]
    return KeptClip(
        name=name,
        mel=mel,
        labels=None if labels is None else tuple(labels),
        frame_s=facts["frame_s"],
        hz=None if hz is None else np.asarray(hz, dtype=float),
        n_real=facts["real_frames"],
        events=None if events is None else tuple(Event(**event) for event in events),
        sample_rate_hz=facts["sample_rate_hz"],
        duration_s=facts["duration_s"],
        audio=None if facts["sample_rate_hz"] is None else audio,
    )
