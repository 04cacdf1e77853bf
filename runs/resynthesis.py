"""What of a clip's sound an attribution speaks for: the sound through a mask of the attribution's positive cells.

The sound is taken apart by a short-time Fourier transform, each cell is multiplied by the mask, and the sound is put
together again: the same length and rate, no louder. Needs numpy alone.
"""

import io
import wave

import numpy as np

from ..diagnostics.errors import RunError
from .kept_clips import FULL_SCALE, KeptClip, wav

WINDOW_S = 0.064
"""Seconds of the transform's window, a quarter of which lies between two; ours: it tells a voice's harmonics apart. The
features' own windows will not do: they may lie side by side, and such frames do not add up to a sound again."""

WHOLE_SHARE = 0.5
"""Of the positive attribution, what is let through whole; ours: scaled to the highest cell instead, a mask lets next to
nothing through, for one cell often holds several times what the next ones do."""


def mask_of(attribution: np.ndarray) -> np.ndarray:
    """How much of each cell is let through, 0 to 1.

    The largest positive cells that hold half (WHOLE_SHARE) of all positive attribution pass whole, the other positive
    ones in proportion, and what is not positive not at all.

    attribution : (frame, mel), signed
    Returns the same shape; zeros where nothing is positive.

    >>> mask_of(np.array([[4.0, 2.0], [1.0, -5.0]])).tolist()
    [[1.0, 0.5], [0.25, 0.0]]
    """
    positive = np.where(np.isfinite(attribution), np.maximum(attribution, 0), 0).astype(float)
    largest = np.sort(positive, axis=None)[::-1]
    held = np.cumsum(largest)
    if not held.size or held[-1] == 0:
        return positive
    level = largest[np.searchsorted(held, WHOLE_SHARE * held[-1])]
    return np.minimum(positive / level, 1)


def masked(
    samples: np.ndarray,
    rate_hz: int,
    mask: np.ndarray,
    frame_s: float,
    hz: np.ndarray,
    highest_hz: float | None = None,
) -> np.ndarray:
    """A sound with each of its time-frequency cells multiplied by a mask; a mask of ones gives it back.

    Between two mel bins' centres, and two frames', the mask is interpolated. For triangular filters that is the
    filterbank's transpose, the weights of each frequency adding up to 1.

    samples : (sample,) float
    mask : (frame, mel); frame i is centred at i * frame_s, the last one holds to the end
    hz : (mel,) centre frequencies
    highest_hz : what lies above is left out, for the features hold none of it; None leaves nothing out
    Returns (sample,) float64.
    """
    n = max(4 * round(WINDOW_S * rate_hz / 4), 4)
    hop = n // 4
    n_windows = -(-(len(samples) + n) // hop) + 1
    padded = np.zeros(n + n_windows * hop)
    padded[n // 2 : n // 2 + len(samples)] = samples
    window = np.hanning(n + 1)[:-1]
    places = np.arange(n_windows) * hop
    spectrum = np.fft.rfft(np.lib.stride_tricks.sliding_window_view(padded, n)[places] * window)
    spectrum *= _drawn_out(mask, places / rate_hz / frame_s, np.fft.rfftfreq(n, 1 / rate_hz), hz, highest_hz)
    sound, weight = np.zeros(len(padded)), np.full(len(padded), 1e-12)
    for place, piece in zip(places, np.fft.irfft(spectrum, n) * window, strict=True):
        sound[place : place + n] += piece
        weight[place : place + n] += window**2
    return (sound / weight)[n // 2 : n // 2 + len(samples)]


def _drawn_out(
    mask: np.ndarray, frames: np.ndarray, frequencies: np.ndarray, hz: np.ndarray, highest_hz: float | None
) -> np.ndarray:
    """(window, frequency) of a mask (frame, mel), at these places among its frames."""
    at = np.clip(frames, 0, len(mask) - 1)
    before = np.minimum(at.astype(int), max(len(mask) - 2, 0))
    share = (at - before)[:, None]
    in_time = mask[before] * (1 - share) + mask[np.minimum(before + 1, len(mask) - 1)] * share
    weights = np.array([np.interp(frequencies, hz, one) for one in np.eye(len(hz))])  # (mel, frequency)
    if highest_hz is not None:
        weights[:, frequencies > highest_hz] = 0
    return in_time @ weights


def what_was_used(attribution: np.ndarray, clip: KeptClip, highest_hz: float | None = None) -> bytes:
    """A WAV file of what an attribution says was used of a clip; turned down where it would be louder than full scale.

    attribution : (frame, mel) of the clip's real frames
    highest_hz : as `masked`
    Raises RunError where the clip's sound, or what its frames and bins are, was not kept.
    """
    if clip.audio is None or clip.frame_s is None or clip.hz is None:
        raise RunError(f"no sound was kept of clip {clip.name!r}, so there is nothing to listen to (resynthesis)")
    if attribution.shape[1] != len(clip.hz):
        raise RunError(
            f"the attribution has {attribution.shape[1]} mel bins, clip {clip.name!r} has {len(clip.hz)} "
            "(resynthesis); was the run's folder put together from two?"
        )
    samples, rate_hz = read_wav(clip.audio.read_bytes(), clip.name)
    heard = masked(samples, rate_hz, mask_of(attribution), clip.frame_s, clip.hz, highest_hz)
    return wav(heard / max(1.0, float(np.abs(heard).max(initial=0))), rate_hz)


def read_wav(content: bytes, name: str) -> tuple[np.ndarray, int]:
    """(sample,) float of a kept clip's sound, full scale 1, and its rate in Hz.

    name : of the clip
    Raises RunError for what is no WAV file of 16-bit PCM, mono, as `kept_clips.wav` writes it.
    """
    try:
        with wave.open(io.BytesIO(content)) as file:
            if (file.getnchannels(), file.getsampwidth()) != (1, 2):
                raise wave.Error(f"{file.getnchannels()} channels of {file.getsampwidth()} bytes")
            return np.frombuffer(file.readframes(file.getnframes()), "<i2") / FULL_SCALE, file.getframerate()
    except (wave.Error, EOFError) as error:
        raise RunError(f"the kept sound of clip {name!r} cannot be read ({error}); was it changed?") from None
