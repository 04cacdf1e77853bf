"""Clips that attributions are of: the pinned ones, and others of the data, which are kept beside the attributions."""

import json
from contextlib import suppress
from pathlib import Path

import numpy as np

from ..diagnostics.errors import RunError
from .attribution_store import FOLDER
from .kept_clips import FOLDER as CLIPS
from .kept_clips import METADATA, KeptClip, keep_clip, kept_clip, read_clip_folder
from .map_log import clip_folder
from .run import Run


def attributed_clip(run: Run, name: str) -> KeptClip:
    """What is kept of a clip, to be seen and heard.

    Raises RunError where nothing is.
    """
    if name in (run.info.get("clips") or []):
        return kept_clip(run, name)
    try:
        return read_clip_folder(_folder(run.path, name), name)
    except FileNotFoundError:
        raise RunError(
            f"run {run.name} keeps neither spectrogram nor sound of clip {name!r}; it keeps those of its pinned clips, "
            "and of clips whose attribution was computed on the dashboard"
        ) from None


def clips_beside(run: Path) -> list[str]:
    """Names of the clips that are kept beside the attributions; what cannot be read is left out."""
    found = []
    for path in sorted((run / FOLDER / CLIPS).glob(f"*/{METADATA}")):
        with suppress(OSError, ValueError, KeyError, TypeError):
            found.append(str(json.loads(path.read_bytes())["name"]))
    return found


def keep_attributed(run: Path, clip: KeptClip, samples: np.ndarray | None) -> None:
    """Keep a clip of the data beside the attributions, unless it is there.

    samples : (sample,) float at `clip.sample_rate_hz`, full scale 1; None keeps no sound
    """
    keep_clip(run / FOLDER, clip, samples)


def drop_attributed(run: Path, name: str) -> None:
    """Keep a clip no longer; what cannot be deleted stays."""
    folder = _folder(run, name)
    if not folder.is_dir():
        return
    for path in folder.iterdir():
        path.unlink(missing_ok=True)
    folder.rmdir()


def _folder(run: Path, name: str) -> Path:
    return run / FOLDER / CLIPS / clip_folder(name)
