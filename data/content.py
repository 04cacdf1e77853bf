from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from .atomic import write_atomically

# Seconds. A file this fresh may change again without a new size or time stamp (file systems tick as coarsely as 2 s on
# FAT), so its hash is not remembered: git's "racy" rule.
SETTLED_S = 2.0

Memo = dict[str, list]  # file name -> [bytes, mtime in ns, content hash]


def content_hash(path: Path) -> str:
    """The BLAKE2b hash of a file's bytes, 32 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def content_hashes(paths: Sequence[Path], memo_folder: Path, workers: int) -> list[str | None]:
    """The content hash of every file, None for one that cannot be read.

    Files of the same path, size and time stamp as last time are not read again. The memos, one a folder of clips, lie
    in `memo_folder`; one that is damaged or cannot be written only costs the time.
    """
    by_folder: dict[str, list[int]] = defaultdict(list)
    absolute = [Path(os.path.abspath(path)) for path in paths]
    for index, path in enumerate(absolute):
        by_folder[str(path.parent)].append(index)
    hashes: list[str | None] = [None] * len(paths)
    with ThreadPoolExecutor(workers) as pool:  # hashing lets go of the interpreter lock
        for folder, indices in by_folder.items():
            memo_path = memo_folder / f"{hashlib.blake2b(folder.encode(), digest_size=16).hexdigest()}.json"
            memo = _read_memo(memo_path)
            entries = list(pool.map(lambda index: _entry(absolute[index], memo), indices))  # noqa: B023 (used at once)
            for index, entry in zip(indices, entries, strict=True):
                hashes[index] = None if entry is None else entry[2]
            _update_memo(memo_path, memo, [absolute[index].name for index in indices], entries)
    return hashes


def _entry(path: Path, memo: Memo) -> list | None:
    try:
        status = path.stat()
        known = memo.get(path.name)
        if known is not None and known[:2] == [status.st_size, status.st_mtime_ns]:
            return known
        return [status.st_size, status.st_mtime_ns, content_hash(path)]
    except OSError:
        return None


def _read_memo(path: Path) -> Memo:
    try:
        memo = json.loads(path.read_text())
        return {name: entry for name, entry in memo.items() if len(entry) == 3 and isinstance(entry[2], str)}
    except (OSError, ValueError, AttributeError, TypeError):
        return {}


def _update_memo(path: Path, memo: Memo, names: list[str], entries: list[list | None]) -> None:
    settled = (time.time() - SETTLED_S) * 1e9
    fresh = {n: e for n, e in zip(names, entries, strict=True) if e and e[1] < settled and memo.get(n) != e}
    if fresh:
        with contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, json.dumps({**memo, **fresh}).encode())
