"""Attributions as a run keeps them, two files each under `attributions/`; reading needs neither torch nor captum.

`<key>.npz` holds the arrays, `<key>.json` what they are; the latter is written last, so that where it is, both are.
"""

import hashlib
import io
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..diagnostics.errors import RunError
from .jsons import write_file, write_json

FOLDER = "attributions"

FORM = 1
"""Part of every key: raised when the numbers of a method or of its checks change."""

ARRAYS = ("fraction", "deletion", "insertion", "random_deletion", "random_insertion")


@dataclass(frozen=True, eq=False)
class Stored:
    """One attribution as a run keeps it. What is not known is None or NaN.

    run : the run's folder
    clip : its name in the run or data root, or the audio file's path
    output, baseline_output, delta : as `diagnostics.attribution.attribute.Attribution`
    of : whether they are of logits or probabilities
    iteration : of the weights
    checks : numbers: areas under the deletion and insertion curves, and beside them those of random orders; rank
        correlations with randomised weights, another class, and other methods of the same call
    options : with which it was made, baseline included
    frame_s : seconds between frames
    file : the arrays
    """

    run: str
    clip: str
    class_name: str
    method: str
    output: float
    baseline_output: float
    delta: float
    steps: int | None
    converged: bool | None
    informative: bool
    why: str
    of: str
    iteration: int
    frame_s: float | None
    checks: dict[str, Any]
    options: dict[str, Any]
    file: Path
    seconds: float = math.nan
    made: bool = field(default=False, compare=False)

    def arrays(self) -> dict[str, np.ndarray]:
        """`attribution` and `mel`, both (frame, mel), and the curves by the names of `Curves`.

        Raises RunError where the file cannot be read.
        """
        try:
            with np.load(self.file, allow_pickle=False) as found:
                return dict(found)
        except (OSError, ValueError) as error:
            raise RunError(
                f"{self.file} cannot be read ({error}); delete it, and `flatline attribute` makes it again"
            ) from None

    def to_json(self) -> dict[str, Any]:
        """As `flatline attribute --json` prints it."""
        own = {name: value for name, value in vars(self).items() if name not in ("class_name", "made")}
        first = {"run": self.run, "clip": self.clip, "class": self.class_name}
        return {**first, **own}


def key_of(about: Mapping[str, Any], mel: np.ndarray) -> str:
    """A name for an attribution: of the clip's content and of all that decides its numbers.

    >>> key_of({"class": "a"}, np.zeros((2, 3))) == key_of({"class": "b"}, np.zeros((2, 3)))
    False
    """
    digest = hashlib.blake2b(json.dumps({**about, "form": FORM}, sort_keys=True).encode(), digest_size=10)
    digest.update(repr(mel.shape).encode())
    digest.update(np.ascontiguousarray(mel, dtype=np.float32).tobytes())
    return digest.hexdigest()


def read_stored(run: Path, key: str) -> Stored | None:
    """The attribution of that key; None where it is not kept, or is damaged."""
    folder = run / FOLDER
    try:
        return _stored(json.loads((folder / f"{key}.json").read_bytes()), run, folder / f"{key}.npz")
    except (OSError, ValueError, KeyError, TypeError):
        return None


def all_stored(run: Path) -> list[Stored]:
    """Every attribution that a run keeps, by clip, class and method; damaged ones are left out."""
    found = [read_stored(run, path.stem) for path in (run / FOLDER).glob("*.json") if not path.name.startswith(".")]
    return sorted((one for one in found if one is not None), key=lambda one: (one.clip, one.class_name, one.method))


def write_stored(run: Path, key: str, facts: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Stored:
    """Keep an attribution.

    Raises RunError where the run's folder cannot be written.
    """
    folder = run / FOLDER
    try:
        folder.mkdir(exist_ok=True)
        held = io.BytesIO()
        np.savez_compressed(held, **dict(arrays))  # type: ignore[arg-type]
        write_file(folder / f"{key}.npz", held.getvalue())
        write_json(folder / f"{key}.json", facts)
    except OSError as error:
        raise RunError(f"{folder} cannot be written ({error.strerror or error}); see to the disk") from error
    return _stored(json.loads((folder / f"{key}.json").read_bytes()), run, folder / f"{key}.npz")


def _stored(facts: Mapping[str, Any], run: Path, file: Path) -> Stored:
    if not file.is_file():
        raise ValueError(f"{file} is not there")
    numbers = {name: _number(facts[name]) for name in ("output", "baseline_output", "delta", "seconds")}
    given = {**facts, **numbers, "run": str(run), "file": file}
    return Stored(**{name: given[name] for name in Stored.__dataclass_fields__ if name in given})


def _number(value: Any) -> float:
    return math.nan if value is None else float(value)
