"""The building blocks of the embedded sounds: float64 at SAMPLE_RATE_HZ, of any level (events are levelled later)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.random import Generator

from .knobs import PITCH_JITTER_OCTAVES, TIMBRE_JITTER_DB

SAMPLE_RATE_HZ = 16000
HIGHEST_HZ = 7600.0  # partials above it are left out: they would fold back
FADE_S = 0.02


def around(rng: Generator, frequency_hz: float) -> float:
    """A frequency near the nominal one."""
    return frequency_hz * 2 ** rng.uniform(-PITCH_JITTER_OCTAVES, PITCH_JITTER_OCTAVES)


def faded(samples: np.ndarray, fade_s: float = FADE_S) -> np.ndarray:
    """The samples with a raised-cosine attack and release."""
    n = max(1, min(round(fade_s * SAMPLE_RATE_HZ), len(samples) // 2))
    ramp = 0.5 - 0.5 * np.cos(np.pi * (np.arange(n) + 0.5) / n)
    out = samples.copy()
    out[:n] *= ramp
    out[-n:] *= ramp[::-1]
    return out


def partials(
    rng: Generator, frequency_hz: np.ndarray | float, n_samples: int, ratios: Sequence[float], levels: Sequence[float]
) -> np.ndarray:
    """A sum of sines that follow one frequency, each at its ratio to it, at a jittered level and a random phase.

    frequency_hz : constant, or one value a sample
    """
    frequency = np.broadcast_to(np.asarray(frequency_hz, dtype=float), (n_samples,))
    phase = 2 * np.pi * np.cumsum(frequency) / SAMPLE_RATE_HZ
    highest = frequency.max()
    out = np.zeros(n_samples)
    for ratio, level in zip(ratios, levels, strict=True):
        gain, start = level * 10 ** (rng.normal(0, TIMBRE_JITTER_DB) / 20), rng.uniform(0, 2 * np.pi)
        if ratio * highest < HIGHEST_HZ:
            out += gain * np.sin(ratio * phase + start)
    return out


def harmonics(rng: Generator, frequency_hz: np.ndarray | float, n_samples: int, n: int, roll_off: float) -> np.ndarray:
    """A harmonic tone; partial k has the level 1 / k ** roll_off."""
    ratios = range(1, n + 1)
    return partials(rng, frequency_hz, n_samples, ratios, [k**-roll_off for k in ratios])


def shaped_noise(rng: Generator, n_samples: int, gain: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Gaussian noise filtered by a gain, a function of frequencies in Hz."""
    size = 1 << (n_samples - 1).bit_length()  # a Fourier transform of a prime length takes ten times as long
    spectrum = np.fft.rfft(rng.standard_normal(size)) * gain(np.fft.rfftfreq(size, 1 / SAMPLE_RATE_HZ))
    return np.fft.irfft(spectrum, size)[:n_samples]


def band_noise(rng: Generator, n_samples: int, low_hz: float, high_hz: float) -> np.ndarray:
    """Gaussian noise of a band with steep edges."""
    return shaped_noise(rng, n_samples, lambda frequency_hz: (frequency_hz >= low_hz) & (frequency_hz <= high_hz))


def rings(
    rng: Generator, n_samples: int, at_s: np.ndarray, frequency_hz: float, decay_s: float, level_jitter_db: float = 2.0
) -> np.ndarray:
    """Struck resonances: at every time a sine that decays by e in `decay_s`.

    at_s : seconds of the strikes
    """
    time = np.arange(round(6 * decay_s * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    ring = np.exp(-time / decay_s) * np.sin(2 * np.pi * frequency_hz * time)
    strikes = np.zeros(n_samples)
    places = np.round(at_s * SAMPLE_RATE_HZ).astype(int)
    places = places[places < n_samples]
    np.add.at(strikes, places, 10 ** (rng.normal(0, level_jitter_db, len(places)) / 20))
    size = 1 << (n_samples + len(ring) - 1).bit_length()
    return np.fft.irfft(np.fft.rfft(strikes, size) * np.fft.rfft(ring, size), size)[:n_samples]
