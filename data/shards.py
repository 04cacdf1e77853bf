"""The frames of many clips in few files.

A shard is `<name>.f32`, the raw little-endian frames of some clips one after another, and `<name>.json`, which says
where each lies: {"n_frames": N, "clips": {content hash: [first frame, frames, CRC-32]}}. A shard is never changed; its
index is written last, so a shard without one is unfinished and ignored.
"""

from __future__ import annotations

import json
import uuid
import zlib
from collections.abc import Collection, Mapping
from pathlib import Path

import numpy as np

from .atomic import write_atomically

# Bytes checked when a shard is opened: everything in small sets (~0.2 s), evenly spread samples in large ones, where
# reading all would cost minutes.
CHECKED_BYTES = 256 * 2**20


def read_shards(folder: Path, wanted: Collection[str], n_mels: int) -> dict[str, np.ndarray]:
    """The frames of the wanted clips that the folder's shards hold, as read-only views of the files.

    A shard that is unfinished, damaged or unreadable is ignored.

    wanted : content hashes
    Returns content hash -> (frame, mel) float32.
    """
    found: dict[str, np.ndarray] = {}
    for index_path in sorted(folder.glob("[!.]*.json")):
        missing = [name for name in wanted if name not in found]
        if not missing:
            break
        try:
            found.update(_read_shard(index_path, missing, n_mels))
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            continue
    return found


def _read_shard(index_path: Path, wanted: Collection[str], n_mels: int) -> dict[str, np.ndarray]:
    """The wanted clips of one shard; ValueError, KeyError or TypeError for one that is damaged."""
    index = json.loads(index_path.read_bytes())
    data_path = index_path.with_suffix(".f32")
    shape = (index["n_frames"], n_mels)
    if data_path.stat().st_size != 4 * shape[0] * n_mels:
        raise ValueError("size")
    places = {name: index["clips"][name] for name in wanted if name in index["clips"]}
    clips = _views(_map(data_path, shape), places)
    step = max(1, sum(clip.nbytes for clip in clips.values()) // CHECKED_BYTES)
    for name in list(places)[::step]:
        _, n_frames, crc = places[name]
        if len(clips[name]) != n_frames or zlib.crc32(clips[name].data) != crc:
            raise ValueError("checksum")
    return clips


def write_shard(folder: Path, clips: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Write one new shard of content hash -> (frame, mel) float32.

    Returns the same clips as read-only views of the shard.
    Raises OSError if the folder cannot be written.
    """
    name, places, first = uuid.uuid4().hex, {}, 0
    for key, frames in clips.items():
        places[key] = [first, len(frames), zlib.crc32(np.ascontiguousarray(frames, "<f4").data)]
        first += len(frames)
    joined = np.ascontiguousarray(np.concatenate(list(clips.values())), dtype="<f4")
    write_atomically(folder / f"{name}.f32", joined.data)
    write_atomically(folder / f"{name}.json", json.dumps({"n_frames": first, "clips": places}).encode())
    return _views(_map(folder / f"{name}.f32", joined.shape), places)


def _map(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    return np.memmap(path, dtype="<f4", mode="r", shape=shape).view(np.ndarray)


def _views(frames: np.ndarray, places: Mapping[str, list[int]]) -> dict[str, np.ndarray]:
    return {name: frames[first : first + n] for name, (first, n, _) in places.items()}
