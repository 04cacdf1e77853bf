"""The sound of a run's pinned clips, as the browser's player asks for it."""

from pathlib import Path
from urllib.parse import quote

from flask import Flask, Response, send_file

from ..diagnostics.errors import FlatlineError
from ..runs.fetching import local_file
from ..runs.kept_clips import kept_clip
from ..runs.map_log import clip_folder
from ..runs.run import Run
from .addresses import run_path


def audio_address(run: str, clip: str) -> str:
    """The path of a clip's sound, names quoted; a clip's is that of its folder, which never holds a slash.

    >>> audio_address("50 % noise", "a b.wav"), audio_address("mine", "../a.wav")
    ('/audio/50%20%25%20noise/a%20b.wav', '/audio/mine/%252E.%252Fa.wav')
    """
    return f"/audio/{quote(run, safe='')}/{quote(clip_folder(clip), safe='')}"


def register(server: Flask, logs: Path) -> None:
    """Serve the sound of the clips of every run under `logs`, a folder or an address in a store.

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


def _sound(logs: Path, name: str, folder: str) -> Response:
    path = run_path(logs, name)
    if path is None:
        return _missing(f"there is no run {name} in {logs}")
    run = Run(path)
    clip = next((clip for clip in run.info.get("clips") or [] if clip_folder(clip) == folder), None)
    if clip is None:
        return _missing(f"run {name} has no pinned clip {folder}")
    audio = kept_clip(run, clip).audio
    if audio is None:
        return _missing(f"run {name} keeps no sound of clip {clip}: a loop of one's own gives only what the model gets")
    return send_file(local_file(audio), mimetype="audio/wav", conditional=True, max_age=0)


def _missing(why: str) -> Response:
    return Response(f"{why}\n", status=404, mimetype="text/plain")
