"""A run's verdict kept beside it, so that a thousand runs can be listed without judging any again; needs no torch.

`python -m flatline.runs.summary RUN ...` judges runs and prints a line of JSON each; with `-` it reads their folders
from stdin, a JSON string a line, for as long as there are any. Whoever wants verdicts without the half gigabyte that
judging a long run takes starts this process and ends it again.
"""

import functools
import hashlib
import json
import os
import sys
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from ..diagnostics.advice import ADVICE
from ..diagnostics.diagnosis import Diagnosis
from ..diagnostics.errors import FlatlineError
from ..diagnostics.findings import KINDS, Finding
from .diagnosing import as_dict, diagnose, order_of_onsets
from .diagnosing import summary as sentences
from .jsons import to_json
from .listing import recorded_mark
from .places import is_remote, place
from .read_once import ReadOnce
from .run import Run
from .run_folder import versions

FILE = "summary.json"

CURVE_POINTS = 40
"""Bins of the small gradient curve."""

NO_GRADIENT = -46.0
"""The curve's value for a gradient of exactly 0: below log10 of every float32 above it."""

STORED_UP_TO = 200_000
"""Iterations up to which a run is judged as its training ends; longer ones take seconds, and wait until asked for."""


def summarise(run: Run) -> dict[str, Any]:
    """The diagnosis of a run with what a page shows of it, as JSON holds it.

    Returns `mark` and `flatline` (what it was judged from and by), `iterations`, `seconds` that judging took, `status`,
    `diagnosis` (as `flatline diagnose --json`, with `variant`, `where`, `is_active` and `do` of each finding), `cause`
    (its `means`, `do`, `pro`, `contra`, `explains`, `beside`; None without one), `sentences`, `onsets` and their
    `order` in words, and `gradient`: log10 of the RNN's lowest gradient norm of each of about 40 bins, None where none
    was recorded, NO_GRADIENT where it was 0.
    Raises FlatlineError for a log that cannot be read.
    """
    return _judged(run)[1]


def judge(run: Run) -> Diagnosis:
    """The diagnosis of a run, kept beside it unless the run is still being written."""
    diagnosis, summary = _judged(run)
    if summary["status"] != "running":
        store_summary(run.path, summary)
    return diagnosis


def remember(path: Path, most: int = STORED_UP_TO) -> None:
    """Judge a run that has just ended and keep what came of it; a run that cannot be judged is left as it is."""
    if is_remote(path):
        return
    try:
        run = ReadOnce(path)
        if len(run) <= most:
            judge(run)
    except FlatlineError:
        pass  # the training is over, and its log says what is wrong to whoever opens it


def stored_summary(path: Path) -> dict[str, Any] | None:
    """The summary kept in a run's folder; None where there is none of what is recorded now and of these rules."""
    if is_remote(path):
        return None
    try:
        with open(f"{path}/{FILE}", "rb") as file:
            summary = json.loads(file.read())
        is_valid = summary["mark"] == summary_mark(path) and summary["flatline"] == rules()
        return {**summary, "diagnosis": {**summary["diagnosis"], "run": str(path)}} if is_valid else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def store_summary(path: Path, summary: Mapping[str, Any]) -> bool:
    """Keep a summary in a run's folder, whole or not at all; False where the folder cannot be written."""
    if is_remote(path):
        return False
    hidden = path / f".{FILE}.{os.getpid()}"
    try:
        hidden.write_text(to_json(summary), encoding="utf-8")
        os.replace(hidden, path / FILE)
    except OSError:
        with suppress(OSError):
            hidden.unlink(missing_ok=True)
        return False
    return True


def summary_mark(path: Path) -> str:
    """A word that changes whenever something is recorded that a diagnosis rests on, ablations among it."""
    mark = recorded_mark(path)
    if is_remote(path):
        return mark
    try:
        return f"{mark} {os.stat(f'{path}/ablations').st_mtime_ns}"
    except OSError:
        return mark


@functools.cache
def rules() -> str:
    """What a run is judged by: the version, and a hash of the files that judge, which change within one."""
    content = hashlib.sha256()
    for package in ("flatline.diagnostics", "flatline.diagnostics.detectors"):
        for file in sorted(files(package).iterdir(), key=lambda file: file.name):
            if file.name.endswith(".py"):
                content.update(file.read_bytes())
    content.update(Path(__file__).read_bytes())
    return f"{versions().get('flatline', 'unknown')} {content.hexdigest()[:12]}"


def _judged(run: Run) -> tuple[Diagnosis, dict[str, Any]]:
    """A diagnosis and its summary, marked by what stood there before anything was read."""
    begun, mark, status = time.perf_counter(), summary_mark(run.path), run.status
    diagnosis = diagnose(run)
    summary = {
        "mark": mark,
        "flatline": rules(),
        "status": status,
        "iterations": diagnosis.iterations,
        "gradient": gradient_curve(run),
        "diagnosis": {**as_dict(run, diagnosis), "findings": [_finding(found) for found in diagnosis.findings]},
        "cause": _cause(diagnosis),
        "sentences": list(sentences(diagnosis)),
        "onsets": [vars(onset) for onset in diagnosis.onsets],
        "order": order_of_onsets(diagnosis),
    }
    return diagnosis, json.loads(to_json({**summary, "seconds": time.perf_counter() - begun}))


def _finding(finding: Finding) -> dict[str, Any]:
    own = {name: getattr(finding, name) for name in ("variant", "where", "is_active", "at_worst")}
    return {**finding.to_dict(), **own, "do": ADVICE[finding.kind, finding.variant].do}


def _cause(diagnosis: Diagnosis) -> dict[str, Any] | None:
    why, reasons = diagnosis.why, diagnosis.reasons
    if why is None or reasons is None:
        return None
    kinds = {"explains": why.explained, "beside": why.beside}
    return {
        "means": KINDS[why.finding.kind],
        "do": ADVICE[why.finding.kind, why.finding.variant].do,
        "pro": reasons.pro,
        "contra": reasons.contra,
        **{name: list(dict.fromkeys(finding.kind for finding in of)) for name, of in kinds.items()},
    }


def gradient_curve(run: Run, points: int = CURVE_POINTS) -> list[float | None]:
    """(bin,) log10 of the lowest gradient norm of each bin of iterations: of the RNN, or of all where there is none.

    The RNN's, since the head of a collapsed net goes on having a gradient. None where none was recorded.

    points : bins, at most
    """
    lowest = _lowest_of_rnn(run, points)
    if not np.isfinite(lowest).any() and "gradient_norm_total" in run.columns:
        lowest = run.window("gradient_norm_total", points=points)["min"].to_numpy(dtype=np.float64)[:, 0]
    with np.errstate(divide="ignore", invalid="ignore"):
        values = np.maximum(np.log10(lowest), NO_GRADIENT)
    return [round(float(value), 3) if np.isfinite(value) else None for value in values]


def _lowest_of_rnn(run: Run, points: int) -> np.ndarray:
    """(bin,) root of the sum of the squares of its parameters' lowest norms; NaN where it has none."""
    names = [name for name, part in run.parts.items() if part == "rnn"]
    if not names or "gradient_norm" not in run.columns:
        return np.full(1, np.nan)
    table = run.window("gradient_norm", points=points)
    norms = np.column_stack([table["min", "gradient_norm", name].to_numpy(dtype=np.float64) for name in names])
    return np.where(np.isnan(norms).all(axis=1), np.nan, np.sqrt(np.nansum(norms**2, axis=1)))


def lines(paths: Iterable[str]) -> Iterable[str]:
    """A line of JSON for each run: its summary with its `path`, or `{"path", "error"}`."""
    for path in paths:
        try:
            summary = summarise(ReadOnce(place(path)))
        except Exception as error:  # whatever is wrong with one run must not keep the others from being judged
            yield to_json({"path": path, "error": str(error) or type(error).__name__})
        else:
            stored = summary["status"] != "running" and store_summary(place(path), summary)
            yield to_json({"path": path, **summary, "stored": stored})


def main(arguments: list[str]) -> int:
    """Print the lines of the runs that are named, or of those that stdin names."""
    asked = map(json.loads, sys.stdin) if arguments == ["-"] else arguments
    for line in lines(asked):
        print(line, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
