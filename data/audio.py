from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr

from .errors import PERMISSIONS, FaultError, Problem
from .riff import missing_bytes

RESTORE = "restore the file from its source, or leave it out"
RESTORE_OR_DELETE = "restore the file or delete its row"


@dataclass(frozen=True)
class Waveform:
    """Mono samples, full scale 1, and their rate."""

    samples: np.ndarray  # (sample,) float32
    sample_rate_hz: int

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return len(self.samples) / self.sample_rate_hz


class ClipError(FaultError):
    """A clip that cannot be used; `problem` says why."""


def read_clip(path: Path | str, sample_rate_hz: int | None = None) -> Waveform:
    """The samples of a clip, its channels averaged, resampled where another rate is asked for.

    That a file was cut off shows in WAV, FLAC and MP3; Ogg and AIFF do not tell.

    sample_rate_hz : rate wanted; None keeps the file's own
    Returns a Waveform of float32 samples; full scale is 1.
    Raises DataError for a clip that is missing, empty, truncated, not audio, or holds NaN or infinite samples.
    Source: soxr's "HQ" quality, as librosa's default.
    """
    path = Path(path)
    _refuse_broken_file(path)
    samples, rate_hz = _decode(path)
    if not np.isfinite(samples).all():
        n_bad = int((~np.isfinite(samples)).any(1).sum())
        raise _clip_error(path, f"{n_bad} of its {len(samples)} samples are NaN or infinite", "write the file anew")
    mono = samples.mean(1, dtype=np.float32) if samples.shape[1] > 1 else samples[:, 0]
    if sample_rate_hz is not None and sample_rate_hz != rate_hz:
        mono, rate_hz = soxr.resample(mono, rate_hz, sample_rate_hz, quality="HQ"), sample_rate_hz
    if not len(mono):
        raise _clip_error(path, "has no samples", RESTORE)
    return Waveform(mono, rate_hz)


def _refuse_broken_file(path: Path) -> None:
    """Raise for what the decoder would not report, or report unclearly."""
    try:
        n_bytes = path.stat().st_size
        if path.is_dir():
            raise _clip_error(path, "is a folder", RESTORE_OR_DELETE)
        n_missing = missing_bytes(path)
    except FileNotFoundError:
        raise _clip_error(path, "does not exist", RESTORE_OR_DELETE) from None
    except OSError as error:
        raise _clip_error(path, f"cannot be read ({error.strerror})", PERMISSIONS) from error
    if n_bytes == 0:
        raise _clip_error(path, "is empty (0 bytes)", RESTORE)
    if n_missing:
        raise _clip_error(path, f"is truncated: {n_missing} bytes that its header declares are not there", RESTORE)


def _decode(path: Path) -> tuple[np.ndarray, int]:
    """Samples (sample, channel) float32 and the rate; an incomplete stream is an error."""
    try:
        file = soundfile.SoundFile(path)
    except (soundfile.SoundFileError, OSError) as error:
        raise _clip_error(path, f"is not audio that can be decoded ({error})", RESTORE) from error
    with file:
        try:
            samples = file.read(dtype="float32", always_2d=True)
        except soundfile.SoundFileError as error:
            raise _clip_error(path, f"is truncated or damaged ({error})", RESTORE) from error
        if len(samples) < file.frames:
            raise _clip_error(path, f"is truncated: {len(samples)} of {file.frames} samples can be read", RESTORE)
        return samples, file.samplerate


def _clip_error(path: Path, what: str, remedy: str) -> ClipError:
    return ClipError(Problem(path, None, what, remedy))
