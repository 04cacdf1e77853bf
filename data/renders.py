"""How each family of the embedded sounds is made: functions of a generator, a length and the pitch."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.random import Generator

from .knobs import CRESCENDO_DB
from .synth import SAMPLE_RATE_HZ, around, band_noise, faded, harmonics, partials, rings

Render = Callable[[Generator, int], np.ndarray]


def organ(rng: Generator, n: int, f0: float) -> np.ndarray:
    """A steady tone of twelve harmonics."""
    return harmonics(rng, around(rng, f0), n, 12, 0.7)


def whistle(rng: Generator, n: int, frequency: float) -> np.ndarray:
    """A steady tone that is almost a sine."""
    return harmonics(rng, around(rng, frequency), n, 2, 4.0)


def hiss(rng: Generator, n: int, *centres: float) -> np.ndarray:
    """Noise of one band or several, each two thirds of an octave wide."""
    return np.sum([band_noise(rng, n, c / 1.25, c * 1.25) for c in (around(rng, c) for c in centres)], axis=0)


def tremolo(rng: Generator, n: int, carrier: float) -> np.ndarray:
    """A tone that swells and fades about twice a second."""
    rate_hz, start = rng.uniform(1.5, 2.5), rng.uniform(0, 2 * np.pi)
    swell = 0.5 + 0.5 * np.sin(2 * np.pi * rate_hz * time_s(n) + start)
    return swell**2 * harmonics(rng, around(rng, carrier), n, 3, 1.0)


def warble(rng: Generator, n: int, centre: float) -> np.ndarray:
    """A tone whose pitch swings fast and wide."""
    rate_hz, depth = rng.uniform(7, 12), rng.uniform(0.25, 0.4)
    return harmonics(rng, around(rng, centre) * (1 + depth * np.sin(2 * np.pi * rate_hz * time_s(n))), n, 2, 1.5)


def siren(rng: Generator, n: int, centre: float) -> np.ndarray:
    """A tone whose pitch swings slowly over more than an octave."""
    rate_hz, start = rng.uniform(0.8, 1.4), rng.uniform(0, 2 * np.pi)
    return harmonics(rng, around(rng, centre) * 2 ** (0.7 * np.sin(2 * np.pi * rate_hz * time_s(n) + start)), n, 3, 1.2)


def pluck(rng: Generator, n: int, f0: float) -> np.ndarray:
    """A bright harmonic tone that dies away within half a second."""
    decay_s = rng.uniform(0.15, 0.4)
    return np.exp(-time_s(n) / decay_s) * harmonics(rng, around(rng, f0), n, 20, 0.35)


def bell(rng: Generator, n: int, base: float) -> np.ndarray:
    """Inharmonic partials, those of a free bar, that die away within a second."""
    decay_s = rng.uniform(0.4, 0.9)
    tone = partials(rng, around(rng, base), n, (1, 2.76, 5.40, 8.93), (1, 0.7, 0.5, 0.3))  # ratios of a free bar
    return np.exp(-time_s(n) / decay_s) * tone


def pulses(rng: Generator, n: int, rate_hz: float, resonance: float) -> np.ndarray:
    """A resonance struck at a steady rate."""
    gaps = rng.normal(1, 0.05, size=round(2 * rate_hz * n / SAMPLE_RATE_HZ) + 2).clip(0.5) / around(rng, rate_hz)
    return rings(rng, n, np.cumsum(gaps) - gaps[0], around(rng, resonance), 0.012)


def crackle(rng: Generator, n: int, resonance: float) -> np.ndarray:
    """A resonance struck at random, about forty times a second, hard and soft."""
    at_s = np.sort(rng.uniform(0, n / SAMPLE_RATE_HZ, size=round(40 * n / SAMPLE_RATE_HZ)))
    return rings(rng, n, at_s, around(rng, resonance), 0.002, level_jitter_db=8.0)


def vowel(rng: Generator, n: int, f0: float, formants: tuple[float, float, float]) -> np.ndarray:
    """Harmonics shaped by three resonances; formants of men and children after Peterson and Barney 1952."""
    pitch, resonances = around(rng, f0), [around(rng, f) for f in formants]
    ratios = np.arange(1, int(4500 / pitch) + 1)
    levels = sum(
        gain / (1 + ((ratios * pitch - f) / 90.0) ** 2) for gain, f in zip((1, 0.6, 0.3), resonances, strict=True)
    )
    glide = 1 + rng.uniform(-0.04, 0.04) * np.linspace(-1, 1, n)
    return partials(rng, pitch * glide, n, ratios.tolist(), np.asarray(levels).tolist())


def rising_chirp(rng: Generator, n: int, low: float, high: float) -> np.ndarray:
    """A tone that glides upwards."""
    start, end = around(rng, low), around(rng, high)
    return harmonics(rng, start * (end / start) ** np.linspace(0, 1, n), n, 3, 1.5)


def low_high(rng: Generator, n: int, low: float, high: float) -> np.ndarray:
    """Two notes, the lower first."""
    first = round(n * rng.uniform(0.4, 0.6))
    notes = ((around(rng, low), first), (around(rng, high), n - first))
    return np.concatenate([faded(harmonics(rng, f, length, 4, 1.2)) for f, length in notes])


def accelerating(rng: Generator, n: int, resonance: float) -> np.ndarray:
    """Clicks that come faster and faster, every gap shorter by the same factor."""
    gaps = np.geomspace(1, rng.uniform(0.1, 0.2), round(rng.uniform(13, 19)))
    share = np.concatenate([[0], np.cumsum(gaps)]) / gaps.sum()
    at_s = share * 0.97 * n / SAMPLE_RATE_HZ  # the last one rings out
    return rings(rng, n, at_s, around(rng, resonance), 0.006, level_jitter_db=1.0)


def crescendo(rng: Generator, n: int, low: float, high: float) -> np.ndarray:
    """Noise of a band that swells by CRESCENDO_DB."""
    noise = band_noise(rng, n, around(rng, low), around(rng, high))
    return noise * 10 ** (CRESCENDO_DB / 20 * np.linspace(-1, 0, n))


def rising_sweep(rng: Generator, n: int, low: float, high: float) -> np.ndarray:
    """Narrow noise whose band rises: a slow noise that modulates a rising sine."""
    start, end = around(rng, low), around(rng, high)
    phase = 2 * np.pi * np.cumsum(start * (end / start) ** np.linspace(0, 1, n)) / SAMPLE_RATE_HZ
    return band_noise(rng, n, 0, 120) * np.cos(phase) + band_noise(rng, n, 0, 120) * np.sin(phase)


def backwards(rng: Generator, n: int, render: Render) -> np.ndarray:
    """What `render` makes, last sample first."""
    return render(rng, n)[::-1]


def time_s(n: int) -> np.ndarray:
    """Seconds of every sample, from 0."""
    return np.arange(n) / SAMPLE_RATE_HZ
