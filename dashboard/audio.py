"""The sound of a run's clips, and of what its network used of them, as the browser's player asks for it."""

import io
import re
from functools import lru_cache
from pathlib import Path
from urllib.parse import quote

from flask import Flask, Response, send_file

from ..diagnostics.errors import FlatlineError, RunError
from ..runs.attributed_clips import attributed_clip, clips_beside
from ..runs.attribution_store import read_stored
from ..runs.fetching import local_file
from ..runs.map_log import clip_folder
from ..runs.resynthesis import what_was_used
from ..runs.run import Run
from .addresses import run_path

KEY = re.compile(r"[0-9a-f]{8,64}")
"""Names of kept attributions."""

MOST_SOUNDS = 16
"""Sounds of attributions in memory, at most; ours: 15 s at 44.1 kHz take 1.3 MB, and .2 s to make."""


def audio_address(run: str, clip: str) -> str:
    """The path of a clip's sound, names quoted; a clip's is that of its folder, which never holds a slash.

    >>> audio_address("50 % noise", "a b.wav"), audio_address("mine", "../a.wav")
    ('/audio/50%20%25%20noise/a%20b.wav', '/audio/mine/%252E.%252Fa.wav')
    """
    return f"/audio/{quote(run, safe='')}/{quote(clip_folder(clip), safe='')}"


def used_address(run: str, key: str) -> str:
    """The path of the sound of what an attribution says was used of its clip.

    >>> used_address("50 % noise", "05c82b34")
    '/used/50%20%25%20noise/05c82b34'
    """
    return f"/used/{quote(run, safe='')}/{quote(key, safe='')}"


def register(server: Flask, logs: Path) -> None:
    """Serve the sounds of every run under `logs`, a folder or an address in a store.

    A part of a file is sent where a part is asked for, or a player could not jump; what is not there is a 404 that says
    why.
    """

    @server.get("/audio/<run>/<folder>")
    def sound(run: str, folder: str) -> Response:
        try:
            return _sound(logs, run, folder)
        except FlatlineError as error:
            return _missing(str(error))
        except FileNotFoundError:
            return _missing(f"the sound of clip {folder} is no longer in run {run}")

    @server.get("/used/<run>/<key>")
    def used(run: str, key: str) -> Response:
        try:
            return _used(logs, run, key)
        except FlatlineError as error:
            return _missing(str(error))
        except FileNotFoundError:
            return _missing(f"the sound of attribution {key} is no longer in run {run}")


def _sound(logs: Path, name: str, folder: str) -> Response:
    path = run_path(logs, name)
    if path is None:
        return _missing(f"there is no run {name} in {logs}")
    run = Run(path)
    known = [*(run.info.get("clips") or []), *clips_beside(run.path)]
    clip = next((clip for clip in known if clip_folder(clip) == folder), None)
    if clip is None:
        return _missing(f"run {name} has no pinned clip {folder}")
    audio = attributed_clip(run, clip).audio
    if audio is None:
        return _missing(f"run {name} keeps no sound of clip {clip}: a loop of one's own gives only what the model gets")
    return send_file(local_file(audio), mimetype="audio/wav", conditional=True, max_age=0)


def _used(logs: Path, name: str, key: str) -> Response:
    path = run_path(logs, name)
    if path is None:
        return _missing(f"there is no run {name} in {logs}")
    stored = read_stored(path, key) if KEY.fullmatch(key) else None
    if stored is None:
        return _missing(f"run {name} keeps no attribution {key}")
    content = _resynthesised(path, key, stored.file.stat().st_mtime_ns)
    return send_file(
        io.BytesIO(content), mimetype="audio/wav", conditional=True, max_age=0, etag=f"{key}-{len(content)}"
    )


@lru_cache(maxsize=MOST_SOUNDS)
def _resynthesised(path: Path, key: str, _: int) -> bytes:
    """The sound of an attribution; `_` is when it was written, since it may be computed anew."""
    run, stored = Run(path), read_stored(path, key)
    if stored is None:
        raise RunError(f"run {run.name} keeps no attribution {key} any more; compute it again")
    features = (run.info.get("data") or {}).get("features") or {}
    ends = [hz for hz in (features.get("fmax_hz"), (features.get("sample_rate_hz") or 0) / 2) if hz]
    return what_was_used(stored.arrays()["attribution"], attributed_clip(run, stored.clip), min(ends, default=None))


def _missing(why: str) -> Response:
    return Response(f"{why}\n", status=404, mimetype="text/plain")
