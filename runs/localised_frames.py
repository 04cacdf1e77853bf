"""Attributions by frame as a run keeps them for scoring: a line each, so that whatever stops it loses at most one."""

import base64
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..diagnostics.errors import RunError
from .jsons import to_json

FOLDER = "localisation"


@dataclass(frozen=True, eq=False)
class Frames:
    """What one attribution says by frame.

    values : (frame,) float32 of real frames (`diagnostics.localisation.frame_values`)
    informative, why : the verdict on the attribution
    """

    values: np.ndarray
    informative: bool
    why: str


class FrameStore:
    """Attributions by frame under `localisation/` in a run, of one file of weights; keys are those of `key_of`.

    A line is some 500 bytes for a clip of 63 frames; the file of ten thousand pairs has 5 MB, and may be deleted.
    """

    def __init__(self, run: Path, weights: str) -> None:
        self.path = run / FOLDER / f"{weights}.jsonl"
        self._known = dict(_read(self.path))

    def __len__(self) -> int:
        return len(self._known)

    def get(self, key: str) -> Frames | None:
        """What is kept under that key."""
        return self._known.get(key)

    def add(self, key: str, found: Frames, **about: Any) -> None:
        """Keep one; it is on disk before this returns, and a reader sees the whole line or none.

        about : what a person who looks into the file should know
        Raises RunError where the run's folder cannot be written.
        """
        packed = base64.b64encode(np.asarray(found.values, dtype="<f4").tobytes()).decode()
        row = {"key": key, **about, "informative": found.informative, "why": found.why, "values": packed}
        try:
            self.path.parent.mkdir(exist_ok=True)
            with self.path.open("ab") as file:
                file.write(f"\n{to_json(row)}\n".encode())  # a line that was cut short before it ends here
        except OSError as error:
            raise RunError(f"{self.path} cannot be written ({error.strerror or error}); see to the disk") from error
        self._known[key] = found


def _read(path: Path) -> list[tuple[str, Frames]]:
    """The lines that are whole; what a crash cut short is left out."""
    try:
        lines = path.read_bytes().splitlines()
    except OSError:
        return []
    found = []
    for line in lines:
        try:
            row = json.loads(line)
            values = np.frombuffer(base64.b64decode(row["values"], validate=True), dtype="<f4")
            found.append((row["key"], Frames(values, bool(row["informative"]), str(row["why"]))))
        except (ValueError, KeyError, TypeError):
            continue
    return found
