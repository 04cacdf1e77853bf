from __future__ import annotations

import os
from pathlib import Path

AUDIO_SUFFIXES = frozenset({".wav", ".flac", ".ogg", ".mp3", ".aif", ".aiff"})
"""Names of clips end so, in upper or lower case."""


def audio_files(folder: Path | str) -> list[Path]:
    """A folder's audio files in order of name; hidden files, such as macOS leaves behind (`._a.wav`), are none.

    By name alone, without a look into the files or into folders below.
    """
    with os.scandir(folder) as entries:
        names = sorted(entry.name for entry in entries if _is_audio(entry.name) and not entry.is_dir())
    return [Path(folder) / name for name in names]


def _is_audio(name: str) -> bool:
    return os.path.splitext(name)[1].lower() in AUDIO_SUFFIXES and not name.startswith(".")
