from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .errors import DataError
from .features import SILENCE_DB


def pad(mels: Sequence[np.ndarray], n_frames: int, fill: float = SILENCE_DB) -> tuple[np.ndarray, np.ndarray]:
    """Clips of different lengths as one array, padded at their end; of longer ones the first frames are kept.

    mels     : (frame, mel) arrays
    n_frames : frames of every clip afterwards
    fill     : what padded frames hold, dB
    Returns clips (clip, frame, mel) float32 and mask (clip, frame) bool, True for a real frame.
    Raises DataError for no clips, a clip without frames, or clips with different mel bins.
    Source: the seed, which cut and padded the same way.
    """
    if not len(mels):
        raise DataError("no clips to pad (pad); give at least one")
    clips = np.full((len(mels), n_frames, mels[0].shape[1]), fill, dtype=np.float32)  # (clip, frame, mel)
    mask = np.zeros((len(mels), n_frames), dtype=bool)  # (clip, frame)
    for i, mel in enumerate(mels):
        if not len(mel):
            raise DataError(f"clip {i} of the batch has no frames (pad); leave out the clips in Features.bad")
        if mel.shape[1] != clips.shape[2]:
            raise DataError(
                f"clip {i} has {mel.shape[1]} mel bins, the first {clips.shape[2]} (pad); extract them alike"
            )
        length = min(len(mel), n_frames)
        clips[i, :length] = mel[:length]
        mask[i, :length] = True
    return clips, mask
