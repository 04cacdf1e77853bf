"""Attention and localisation maps in few bytes: uint8 scaled per class."""

from typing import Any

import numpy as np

MAX_FRAMES = 256
"""Frames kept of a batch's map; longer ones are averaged in equal bins (a 252 x 80 map is 20 kB before compression)."""


def encode_map(values: np.ndarray, most: int = MAX_FRAMES) -> dict[str, Any]:
    """A map (frame, class) as `frames`, `classes`, `low` and `high` per class, and `values` bytes.

    most : frames that are kept, longer maps are averaged

    Level 255 is NaN; 0 to 254 lie evenly between a class's low and high, so the error is at most 1/508 of its range.
    Infinity, which has no level, becomes NaN.
    """
    values = np.asarray(values, dtype=np.float32)
    values = bin_frames(np.where(np.isfinite(values), values, np.float32(np.nan)), most)  # (frame, class)
    low = np.fmin.reduce(values, axis=0)
    high = np.fmax.reduce(values, axis=0)
    scaled = (values - low) / np.where(high > low, high - low, 1)
    levels = np.where(np.isnan(scaled), 255, np.rint(np.nan_to_num(scaled) * 254)).astype(np.uint8)
    return {
        "frames": float(values.shape[0]),
        "classes": float(values.shape[1]),
        "low": low,
        "high": high,
        "values": levels.tobytes(),
    }


def decode_map(frames: int, classes: int, low: np.ndarray, high: np.ndarray, values: bytes) -> np.ndarray:
    """(frame, class) float32 from what `encode_map` made."""
    levels = np.frombuffer(values, dtype=np.uint8).reshape(frames, classes)
    decoded = low + (high - low) * (levels / np.float32(254))
    return np.where(levels == 255, np.float32(np.nan), decoded).astype(np.float32)


def bin_frames(values: np.ndarray, most: int = MAX_FRAMES) -> np.ndarray:
    """At most `most` frames: equal bins, each the mean of its frames (NaN left out)."""
    if values.shape[0] <= most:
        return values
    edges = np.linspace(0, values.shape[0], most + 1).astype(int)
    with np.errstate(invalid="ignore", divide="ignore"):
        sums = np.add.reduceat(np.nan_to_num(values), edges[:-1], axis=0)
        counts = np.add.reduceat(~np.isnan(values), edges[:-1], axis=0)
        return sums / counts
