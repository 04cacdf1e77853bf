from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from typing import Any

import librosa
import numpy as np

from .errors import DataError

SILENCE_DB = -100.0  # 10 log10 of the power floor below: what digital silence becomes, and what clips are padded with
POWER_FLOOR = 1e-10  # librosa's default `amin`
ALGORITHM = 1  # part of the cache key: raise it when log_mel's numbers change


@dataclass(frozen=True)
class FeatureSettings:
    """How a clip becomes a log-mel spectrogram, in seconds so that it carries over to other sample rates.

    sample_rate_hz : clips are resampled to it; None means the data set's own (see `resolve_features`)
    window_s       : seconds of one analysis window
    hop_s          : seconds between frames
    duration_s     : seconds to which clips are padded or cut in a batch
    fmin_hz, fmax_hz : range of the mel filters; fmax_hz None is half the sample rate

    >>> story = FeatureSettings(16000, 4096 / 16000, 4096 / 16000, 32, 8.0)
    >>> story.n_fft, story.hop_length, story.n_frames
    (4096, 4096, 32)
    """

    sample_rate_hz: int | None
    window_s: float
    hop_s: float
    n_mels: int
    duration_s: float
    fmin_hz: float = 0.0
    fmax_hz: float | None = None

    @property
    def rate_hz(self) -> int:
        """The sample rate, once it is known."""
        if self.sample_rate_hz is None:
            raise DataError("sample_rate_hz is None (FeatureSettings); settle it with resolve_features(settings, rate)")
        return self.sample_rate_hz

    @property
    def n_fft(self) -> int:
        """Samples of a window, even so that a clip of n samples has 1 + n // hop frames at any rate."""
        return 2 * round(self.window_s * self.rate_hz / 2)

    @property
    def hop_length(self) -> int:
        """Samples between frames."""
        return round(self.hop_s * self.rate_hz)

    @property
    def n_frames(self) -> int:
        """Frames of a clip of `duration_s`, as librosa counts them with centre=True."""
        return 1 + round(self.duration_s * self.rate_hz) // self.hop_length

    @property
    def key(self) -> str:
        """A name for the frames these settings give: equal keys, equal frames, also in another process.

        `duration_s` is no part of it: it pads and cuts batches, and leaves a clip's own frames as they are.
        """
        parts = {name: value for name, value in self.to_dict().items() if name != "duration_s"}
        text = json.dumps({**parts, "rate": self.rate_hz, "algorithm": ALGORITHM}, sort_keys=True)
        return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()

    def to_dict(self) -> dict[str, Any]:
        """The fields as plain values; `FeatureSettings(**d)` is the way back."""
        return asdict(self)


def log_mel(samples: np.ndarray, settings: FeatureSettings) -> np.ndarray:
    """Log-mel power spectrogram in dB re full scale 1.

    samples : (sample,) float at settings.sample_rate_hz
    Returns (frame, mel) float32; silence is SILENCE_DB.
    Raises DataError for no samples, or for settings whose sample rate is not settled.
    Source: librosa.feature.melspectrogram (power 2, centred, Slaney filters) and power_to_db(ref=1, top_db=None).
    """
    if samples.ndim != 1 or not len(samples):
        raise DataError(f"samples have shape {samples.shape} (log_mel); give one channel of at least one sample")
    # Padded here rather than by librosa: it warns on every clip shorter than a window.
    padded = np.pad(np.asarray(samples, dtype=np.float32), settings.n_fft // 2)
    spectrum = librosa.stft(padded, n_fft=settings.n_fft, hop_length=settings.hop_length, center=False)
    power = (np.square(np.real(spectrum)) + np.square(np.imag(spectrum))).T  # (frame, frequency)
    mel = np.empty((len(power), settings.n_mels), dtype=np.float32)
    filters = _filters(settings.rate_hz, settings.n_fft, settings.n_mels, settings.fmin_hz, settings.fmax_hz)
    # Not `power @ filters`: two threads in a many-threaded BLAS wait for each other (measured: no gain from a second).
    for i, (band, weights) in enumerate(filters):
        np.einsum("tf,f->t", power[:, band], weights, out=mel[:, i])
    decibels = 10 * np.log10(np.maximum(mel, np.float32(POWER_FLOOR)))
    return np.maximum(decibels, np.float32(SILENCE_DB))  # float32 rounds the logarithm of the floor to -100.00001


@lru_cache(maxsize=8)
def _filters(
    rate_hz: int, n_fft: int, n_mels: int, fmin_hz: float, fmax_hz: float | None
) -> tuple[tuple[slice, np.ndarray], ...]:
    """For every mel bin the frequencies it covers and their weights; librosa would build them anew for every clip."""
    weights = librosa.filters.mel(sr=rate_hz, n_fft=n_fft, n_mels=n_mels, fmin=fmin_hz, fmax=fmax_hz)
    used = [np.flatnonzero(row) for row in weights]
    bands = [slice(int(f[0]), int(f[-1]) + 1) if len(f) else slice(0, 0) for f in used]
    return tuple((band, row[band].copy()) for band, row in zip(bands, weights, strict=True))


_CGRNN = FeatureSettings(None, 5296 / 44100, 2648 / 44100, 64, 665_100 / 44100)
PRESETS: dict[str, FeatureSettings] = {
    "seed-cgrnn": _CGRNN,
    "seed-simple": FeatureSettings(None, 1764 / 44100, 220 / 44100, 256, 665_100 / 44100),
    "story-16k": FeatureSettings(16000, 4096 / 16000, 4096 / 16000, 32, 8.0),
    "story-8k": FeatureSettings(8000, 1024 / 8000, 512 / 8000, 32, 4.0),
}
STORY = {8000: PRESETS["story-8k"], 16000: PRESETS["story-16k"], 44100: _CGRNN, 48000: _CGRNN}


def resolve_features(name_or_settings: str | FeatureSettings, sample_rate_hz: int | None) -> FeatureSettings:
    """Settings with their sample rate settled, from a preset's name or from settings.

    `story` takes the story's setting for the data set's rate, or for the nearest rate that has one.

    sample_rate_hz : the data set's own rate, used where the settings name none
    Raises DataError for a name that is no preset, or where neither names a rate.
    """
    settings = _preset(name_or_settings, sample_rate_hz) if isinstance(name_or_settings, str) else name_or_settings
    if settings.sample_rate_hz is None:
        if sample_rate_hz is None:
            raise DataError(
                f"features {name_or_settings!r} need the clips' sample rate, and no clip can be opened; check the data"
            )
        settings = replace(settings, sample_rate_hz=sample_rate_hz)
    if min(settings.n_fft, settings.hop_length, settings.n_mels) < 1 or settings.duration_s <= 0:
        raise DataError(f"{settings} gives windows, hops, mels or clips of nothing; use larger values")
    return settings


def _preset(name: str, sample_rate_hz: int | None) -> FeatureSettings:
    if name == "story":
        if sample_rate_hz is None:
            raise DataError("features 'story' need the clips' sample rate, and no clip can be opened; check the data")
        nearest = min(STORY, key=lambda rate: abs(np.log(rate / sample_rate_hz)))
        return replace(STORY[nearest], sample_rate_hz=nearest)
    if name not in PRESETS:
        known = ", ".join(["story", *PRESETS])
        raise DataError(f"no features are called {name!r} (data.features); known: {known}")
    return PRESETS[name]
