from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, overload

import numpy as np
import platformdirs

from .atomic import write_atomically
from .audio import ClipError, read_clip
from .content import content_hashes
from .errors import DataError, Problem, summarise
from .features import FeatureSettings, log_mel
from .parallel import n_cores
from .shards import read_shards, write_shard

SHARD_BYTES = 32 * 2**20  # of frames; an interrupted extraction loses no more than this
AHEAD = 256  # clips queued at a time: a slow disk must not fill the memory with frames that wait for it
Progress = Callable[[int, int], None]


@dataclass(frozen=True, eq=False)
class Features(Sequence[np.ndarray]):
    """The frames of every clip asked for, in that order: features[i] is (frame, mel) float32 dB, read-only.

    Frames lie in the cache and are mapped into memory: only what is looked at is read.

    n_frames    : (clip,) int64; 0 for a bad clip
    bad         : index and problem of every clip that was skipped
    n_extracted : clips computed by this call; n_cached : clips that the cache held before
    """

    clips: tuple[np.ndarray, ...]
    n_frames: np.ndarray
    bad: tuple[tuple[int, Problem], ...]
    n_extracted: int
    n_cached: int

    def __len__(self) -> int:
        return len(self.clips)

    @overload
    def __getitem__(self, index: int) -> np.ndarray: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[np.ndarray, ...]: ...
    def __getitem__(self, index: int | slice) -> np.ndarray | tuple[np.ndarray, ...]:
        return self.clips[index]


def extract(
    paths: Sequence[Path | str],
    settings: FeatureSettings,
    *,
    cache_dir: Path | str | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
    on_bad: Literal["raise", "skip"] = "raise",
) -> Features:
    """Log-mel frames of every clip, from the cache where it holds them, computed and stored where not.

    The cache goes by content: a renamed or copied clip is found again, a changed one is computed anew.

    settings  : with a settled sample rate (see `resolve_features`)
    cache_dir : where frames are kept; None is the environment's FLATLINE_CACHE, else the user's cache folder
    workers   : threads; None is one a CPU core
    progress  : called with the clips done and the clips in all
    on_bad    : "raise" makes one error of all clips that cannot be used, after storing the others; "skip" lists them
    Raises DataError for bad clips (with "raise") or a cache folder that cannot be written.
    """
    files = [Path(path) for path in paths]
    n_workers = workers or n_cores()
    root = cache_root(cache_dir)
    hashes = content_hashes(files, root / "content", n_workers)
    found = read_shards(root / settings.key, {key for key in hashes if key is not None}, settings.n_mels)
    missing = {key or str(file): file for key, file in zip(hashes, files, strict=True) if key not in found}
    n_cached = sum(key in found for key in hashes)
    results = _compute(missing, settings, n_workers)
    failed = _store(_reported(results, progress, n_cached, len(files)), root / settings.key, found) if missing else {}
    names = [key or str(file) for key, file in zip(hashes, files, strict=True)]
    bad = tuple((i, replace(failed[name], file=files[i])) for i, name in enumerate(names) if name in failed)
    if bad and on_bad == "raise":
        raise DataError(_bad_clips([problem for _, problem in bad]))
    nothing = np.empty((0, settings.n_mels), dtype=np.float32)
    clips = tuple(found.get(name, nothing) for name in names)
    n_frames = np.array([len(clip) for clip in clips], dtype=np.int64)
    return Features(clips, n_frames, bad, len(files) - n_cached - len(bad), n_cached)


def cache_root(cache_dir: Path | str | None = None) -> Path:
    """The folder of the cache: `cache_dir`, else the environment's FLATLINE_CACHE, else the user's cache folder."""
    named = cache_dir or os.environ.get("FLATLINE_CACHE")
    return Path(named).expanduser() if named else platformdirs.user_cache_path("flatline")


def _compute(
    files: Mapping[str, Path], settings: FeatureSettings, workers: int
) -> Iterator[tuple[str, np.ndarray | Problem]]:
    """Frames or problem of every file, in order, under its key.

    Threads, not processes: decoding, resampling and the Fourier transform let go of the interpreter lock (two threads
    take 37 ms to 22 ms a clip at the seed's setting), and a process would spend 1.5 s on its imports before its first
    clip, longer than the 1,200 short clips of the embedded set take in all.
    """
    if workers == 1 or len(files) == 1:
        yield from ((key, _frames(path, settings)) for key, path in files.items())
        return
    keys = list(files)
    pool = ThreadPoolExecutor(min(workers, len(keys)))
    try:
        for start in range(0, len(keys), AHEAD):
            some = keys[start : start + AHEAD]
            yield from zip(some, pool.map(lambda key: _frames(files[key], settings), some), strict=True)
    finally:  # on Ctrl-C too: leaving a `with` block would work off the queue first
        pool.shutdown(wait=True, cancel_futures=True)


def _frames(path: Path, settings: FeatureSettings) -> np.ndarray | Problem:
    try:
        return log_mel(read_clip(path, settings.rate_hz).samples, settings)
    except ClipError as error:
        return error.problem


def _reported(results: Iterable, progress: Progress | None, done: int, total: int) -> Iterator:
    for n, result in enumerate(results, start=done + 1):
        if progress is not None:
            progress(min(n, total), total)
        yield result


def _store(
    results: Iterable[tuple[str, np.ndarray | Problem]], folder: Path, found: dict[str, np.ndarray]
) -> dict[str, Problem]:
    """Write the frames to the cache and add views of them to `found`; what failed comes back."""
    failed: dict[str, Problem] = {}
    pending: dict[str, np.ndarray] = {}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(folder / "probe", b"")  # a folder that cannot be written is told before the work, not after
        for key, result in results:
            if isinstance(result, Problem):
                failed[key] = result
                continue
            pending[key] = result
            if sum(frames.nbytes for frames in pending.values()) >= SHARD_BYTES:
                found |= write_shard(folder, pending)
                pending = {}
        if pending:
            found |= write_shard(folder, pending)
    except OSError as error:
        raise DataError(
            f"features cannot be kept in {folder} ({error.strerror or error}); "
            "name a folder that can be written in the environment variable FLATLINE_CACHE"
        ) from error
    return failed


def _bad_clips(problems: list[Problem]) -> str:
    count = "1 clip cannot be used" if len(problems) == 1 else f"{len(problems)} clips cannot be used"
    remedy = "see all with `flatline data check ROOT`, or leave them out with `--set data.skip_bad=true`"
    return summarise(problems, count, remedy)
