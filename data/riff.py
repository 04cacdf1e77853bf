from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import BinaryIO

STREAMED_SIZES = frozenset({0, 0xFFFFFFFF, 0x7FFFFFFF})  # written by programs that could not seek back to the header


def missing_bytes(path: Path) -> int:
    """How many bytes of sound a WAV file's header declares beyond the end of the file; 0 for a whole one.

    libsndfile shortens such a file without a word, so a cut-off download would pass for a short clip.

    Returns 0 also for what is not a RIFF/WAVE file, or was streamed without a length.
    Source: Microsoft RIFF specification 1991, chunks of id, little-endian size and data padded to even length.
    """
    n_bytes = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(12)
        if not head.startswith(b"RIFF") or (len(head) == 12 and head[8:] != b"WAVE"):
            return 0
        declared = _data_size(file)
        if declared is None:  # the file ends before its sound begins
            riff_size = struct.unpack("<I", head[4:8])[0] if len(head) >= 8 else 0
            return max(riff_size + 8 - n_bytes, 1) if riff_size not in STREAMED_SIZES else 1
        return 0 if declared in STREAMED_SIZES else max(declared - (n_bytes - file.tell()), 0)


def _data_size(file: BinaryIO) -> int | None:
    """The declared size of the chunk "data", the file left at its first byte; None where there is no such chunk."""
    while len(chunk := file.read(8)) == 8:
        name, size = struct.unpack("<4sI", chunk)
        if name == b"data":
            return size
        file.seek(size + size % 2, os.SEEK_CUR)
    return None
