"""The pinned clips of a report: who they are, their sound, and what the net makes of them."""

import base64
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ..diagnostics.errors import FlatlineError
from ..runs.kept_clips import KeptClip, kept_clip, kept_clips
from ..runs.run import Run
from .markup import Markup, element
from .report_figures import CLIP, MORE_CLIPS, Figure, of_clip
from .report_pieces import Piece

MOST_CLIPS = 3
"""Clips of a run in a report: as many as `flatline train` pins; the others are in the dashboard."""

NO_SOUND = "No sound was kept of this clip."


@dataclass(frozen=True)
class Clip:
    """A clip with its figures.

    name  : None is the mean over the batch
    sound : None where none was kept
    """

    name: str | None
    said: str
    sound: Piece | None
    figures: tuple[Figure, ...]


def clips_of(run: Run, prefix: str) -> Iterator[Clip]:
    """The first clips that a run pinned, else the mean over the batch.

    prefix : of the run's ids
    """
    names = list(run.info.get("clips") or [])
    for number, name in enumerate(names[:MOST_CLIPS] or [None], start=1):
        kept = _kept(run, name)
        sound = None if kept is None else sound_of(kept, CLIP if number == 1 else MORE_CLIPS)
        more = len(names) - MOST_CLIPS if number == MOST_CLIPS else 0
        said = _said(kept) + (f" · {more} more clips are in the dashboard" if more > 0 else "")
        figures = tuple(of_clip(run, name, prefix, number))
        yield Clip(name, said, sound, figures)


def sound_of(clip: KeptClip, rank: int) -> Piece | None:
    """A clip's WAV file in base64; the same sound in two runs has one key. None where none is kept."""
    try:
        content = None if clip.audio is None else clip.audio.read_bytes()
    except OSError:
        content = None
    if content is None:
        return None
    return Piece(f"sound-{hashlib.sha256(content).hexdigest()[:16]}", rank, base64.b64encode(content).decode("ascii"))


def player(clip: Clip, kept: Mapping[str, Piece], played: set[str]) -> Markup:
    """The clip's name and labels, and its sound where the page has room for it.

    played : keys of the sounds that stand in the page already; a sound stands there once
    """
    name = element("span", element("b", clip.name or "No clip is pinned"), f" · {clip.said}" if clip.said else None)
    if clip.sound is None or clip.sound.key not in kept:
        return element("div", name, element("span", _silent(clip), class_="dimmed"), class_="card clip")
    key = clip.sound.key
    first = key not in played
    played.add(key)
    source = {"src": f"data:audio/wav;base64,{clip.sound.text}", "id": key} if first else {"data_same": key}
    graph = clip.figures[0].key
    audio = element("audio", controls=True, preload="metadata", data_graph=graph, **source)
    hint = element("span", "A click into the map goes there.", class_="dimmed")
    return element("div", audio, name, hint, class_="card clip")


def _silent(clip: Clip) -> str:
    if clip.sound is None:
        return NO_SOUND if clip.name else ""
    return "Its sound is left out: this page has no room for it."


def _kept(run: Run, name: str | None) -> KeptClip | None:
    try:
        return kept_clip(run, name) if name is not None and name in kept_clips(run) else None
    except FlatlineError:
        return None


def _said(clip: KeptClip | None) -> str:
    """Duration and labels, where they are known."""
    if clip is None:
        return ""
    duration = "" if clip.duration_s is None else f"{clip.duration_s:.1f} s"
    labels = "labels not known" if clip.labels is None else ", ".join(clip.labels) or "no labels"
    return " · ".join(filter(None, [duration, labels]))
