"""The embedded data set: synthetic sounds on disk, in FSDKaggle2019's Kaggle layout."""

from __future__ import annotations

import csv
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import soundfile
from numpy.random import default_rng

from . import knobs
from .errors import DataError
from .mixing import SPLITS, Event, Plan, mix, plan_clips
from .parallel import n_cores
from .sounds import CLASSES
from .synth import SAMPLE_RATE_HZ

VERSION = 1  # raise it when a seed gives other bytes
MARKER = "flatline-data.json"


def make_dataset(
    directory: Path | str,
    *,
    seed: int = 0,
    n_curated: int = 760,
    n_noisy: int = 200,
    n_test: int = 240,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Write the embedded data set: 80 classes of synthetic sounds, 16 kHz mono 16 bit, in the Kaggle layout.

    Beside the CSVs of the layout it holds `events.csv`, the true onsets and offsets of every sound. A seed gives the
    same bytes whatever the number of workers. A folder that already holds this very set is left as it is.

    workers  : threads; None is one a CPU core
    progress : called with the clips done and the clips in all
    Returns the directory.
    Raises DataError for a folder that holds something else or cannot be written, and for no clips.
    Source: ours; classes and labels a clip are as many as in FSDKaggle2019, clips and wrong labels fewer.
    """
    directory = Path(directory)
    counts = {"n_curated": n_curated, "n_noisy": n_noisy, "n_test": n_test}
    if min(counts.values()) < 0 or not sum(counts.values()):
        raise DataError(f"{counts} makes no data set; use counts of 0 or more, not all 0")
    marker = _marker(seed, counts)
    if _holds(directory, marker):
        return directory
    plans = [plan for split, n in zip(SPLITS, counts.values(), strict=True) for plan in plan_clips(split, n, seed)]
    try:
        _write(directory, plans, marker, workers or n_cores(), progress)
    except OSError as error:
        raise DataError(
            f"the data set cannot be written to {directory} ({error.strerror or error}); choose another folder"
        ) from error
    return directory


def _marker(seed: int, counts: dict[str, int]) -> dict[str, Any]:
    """What a made set remembers of itself, as JSON gives it back."""
    shape = {name: value for name, value in vars(knobs).items() if name.isupper()}
    marker = {"made_by": "flatline data make", "version": VERSION, "seed": seed, **counts, **shape}
    return json.loads(json.dumps(marker))


def _holds(directory: Path, marker: dict[str, Any]) -> bool:
    """Whether the very set is there already; a folder with anything else in it is refused."""
    if not directory.exists():
        return False
    if not directory.is_dir():
        raise DataError(f"{directory} is a file; name a new or empty folder")
    try:
        found = json.loads((directory / MARKER).read_text())
    except (OSError, ValueError):
        found = None
    if found == marker:
        return True
    if any(directory.iterdir()):
        what = "holds another set of sounds" if found else "is not empty"
        raise DataError(f"{directory} {what}; name a new or empty folder, or delete it first")
    return False


def _write(
    directory: Path,
    plans: list[Plan],
    marker: dict[str, Any],
    workers: int,
    progress: Callable[[int, int], None] | None,
) -> None:
    """Make the set in a hidden folder beside the directory and move it there, the marker last."""
    directory.mkdir(parents=True, exist_ok=True)
    place = directory.resolve()
    hidden = Path(tempfile.mkdtemp(prefix=f".{place.name}.", dir=place.parent))
    try:
        for split in {plan.split for plan in plans}:
            (hidden / split).mkdir()
        events = _write_clips(hidden, plans, workers, progress)
        _write_tables(hidden, plans, events)
        for entry in sorted(hidden.iterdir()):
            os.replace(entry, place / entry.name)
        (place / MARKER).write_text(json.dumps(marker, indent=1) + "\n")
    finally:
        shutil.rmtree(hidden, ignore_errors=True)


def _write_clips(
    root: Path, plans: list[Plan], workers: int, progress: Callable[[int, int], None] | None
) -> list[tuple[Event, ...]]:
    def write(plan: Plan) -> tuple[Event, ...]:
        samples, events = mix(plan.sounds, default_rng(plan.seed))
        soundfile.write(root / plan.split / plan.fname, samples, SAMPLE_RATE_HZ, subtype="PCM_16")
        return events

    events = []
    pool = ThreadPoolExecutor(workers)
    try:
        for made in pool.map(write, plans):
            events.append(made)
            if progress is not None:
                progress(len(events), len(plans))
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
    return events


def _write_tables(root: Path, plans: list[Plan], events: list[tuple[Event, ...]]) -> None:
    for split in SPLITS:
        rows = [(plan.fname, ",".join(plan.labels)) for plan in plans if plan.split == split]
        if rows:
            _write_csv(root / f"{split}.csv", ("fname", "labels"), rows)
    tests = [plan.fname for plan in plans if plan.split == "test"]
    _write_csv(root / "sample_submission.csv", ("fname", *CLASSES), [(name, *[0] * len(CLASSES)) for name in tests])
    rows = [
        (plan.fname, f"{event.onset_s:.4f}", f"{event.offset_s:.4f}", event.label)
        for plan, found in zip(plans, events, strict=True)
        for event in found
    ]
    _write_csv(root / "events.csv", ("fname", "onset_s", "offset_s", "event_label"), rows)


def _write_csv(path: Path, header: Iterable[str], rows: Iterable[Iterable[Any]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
