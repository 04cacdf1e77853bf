"""What the clips of the embedded set hold, and how they are mixed."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator, default_rng

from .events import Event
from .knobs import (
    BACKGROUND_DB,
    BACKGROUND_TILT,
    EVENT_DB,
    EVENTS_SHARE,
    LONGEST_S,
    MEAN_S,
    PEAK,
    SHORTEST_S,
    WRONG_SHARE,
)
from .sounds import CLASSES, SOUNDS, Sound
from .synth import SAMPLE_RATE_HZ, faded, shaped_noise

SPLITS = ("train_curated", "train_noisy", "test")


@dataclass(frozen=True)
class Plan:
    """A clip before it is made: its sounds, and the labels it is given, which are wrong in some noisy clips."""

    fname: str
    split: str
    sounds: tuple[Sound, ...]
    labels: tuple[str, ...]
    seed: tuple[int, ...]


def plan_clips(split: str, n_clips: int, seed: int) -> list[Plan]:
    """What each clip of a split holds: classes in turn, so that each comes up equally often, and more at random."""
    code = SPLITS.index(split)
    rng = default_rng((seed, code))
    turns = np.concatenate([rng.permutation(len(SOUNDS)) for _ in range(n_clips // len(SOUNDS) + 1)])[:n_clips]
    wrong = set(rng.permutation(n_clips)[: round(WRONG_SHARE * n_clips)].tolist()) if split == "train_noisy" else set()
    plans = []
    for index, first in enumerate(turns.tolist()):
        n_others = rng.choice(len(EVENTS_SHARE), p=EVENTS_SHARE)
        others = rng.choice(np.delete(np.arange(len(SOUNDS)), first), size=n_others, replace=False)
        sounds = tuple(SOUNDS[i] for i in (first, *others.tolist()))
        labels = _wrong_labels(rng, sounds) if index in wrong else tuple(sound.name for sound in sounds)
        plans.append(Plan(_name(seed, code, index), split, sounds, labels, (seed, code, index)))
    return plans


def _wrong_labels(rng: Generator, sounds: tuple[Sound, ...]) -> tuple[str, ...]:
    """As many labels as there are sounds, none of them right."""
    absent = sorted(set(CLASSES) - {sound.name for sound in sounds})
    return tuple(rng.choice(absent, size=len(sounds), replace=False).tolist())


def _name(*numbers: int) -> str:
    """A file name like FSDKaggle2019's, which tells nothing of the class."""
    return hashlib.blake2b(repr(numbers).encode(), digest_size=6).hexdigest() + ".wav"


def mix(sounds: tuple[Sound, ...], rng: Generator) -> tuple[np.ndarray, tuple[Event, ...]]:
    """One clip (sample,) int16 and its events, rounded to whole samples, in order of onset."""
    lengths = [round(rng.uniform(*sound.duration_s) * SAMPLE_RATE_HZ) for sound in sounds]
    drawn = round((SHORTEST_S + rng.exponential(MEAN_S - SHORTEST_S)) * SAMPLE_RATE_HZ)
    n = min(max(drawn, *lengths, round(SHORTEST_S * SAMPLE_RATE_HZ)), round(LONGEST_S * SAMPLE_RATE_HZ))
    mixture = _background(rng, n)
    events = []
    for sound, length in zip(sounds, lengths, strict=True):
        onset = int(rng.integers(0, n - length + 1))
        mixture[onset : onset + length] += _at_level(faded(sound.render(rng, length)), rng.uniform(*EVENT_DB))
        events.append(Event(onset / SAMPLE_RATE_HZ, (onset + length) / SAMPLE_RATE_HZ, sound.name))
    mixture *= min(1.0, PEAK / np.abs(mixture).max())
    return np.round(mixture * 32767).astype(np.int16), tuple(sorted(events, key=lambda event: event.onset_s))


def _background(rng: Generator, n_samples: int) -> np.ndarray:
    tilt, level_db = rng.uniform(*BACKGROUND_TILT), rng.uniform(*BACKGROUND_DB)
    turn = 2j * np.pi / SAMPLE_RATE_HZ
    return _at_level(shaped_noise(rng, n_samples, lambda f_hz: 1 / (1 - tilt * np.exp(-turn * f_hz))), level_db)


def _at_level(samples: np.ndarray, level_db: float) -> np.ndarray:
    return samples * (10 ** (level_db / 20) / np.sqrt(np.mean(samples**2)))
