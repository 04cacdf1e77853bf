from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from .audio import ClipError, read_clip
from .clipset import Clip, ClipSet
from .content import content_hash
from .errors import Problem, readable
from .folders import audio_files
from .freesound import LAYOUTS, present_splits, survey_dataset
from .label_csv import CsvError, read_label_csv
from .label_notes import unlearnable
from .parallel import n_cores


@dataclass(frozen=True)
class _Heard:
    """What decoding one clip showed; `content` is None for a clip that cannot be read."""

    problem: Problem | None
    content: str | None


def check_dataset(
    root: Path | str, workers: int | None = None, progress: Callable[[int, int], None] | None = None
) -> list[Problem]:
    """Everything that is wrong with a data set: its CSVs, every clip decoded, and clips in training and test alike.

    What does no harm comes last and has `note` set: clips that no CSV names, clips without signal, splits left out,
    labels that nothing can be learned of.
    A CSV without its columns is one problem; the clips in its folder are decoded all the same.

    workers  : threads; None is one a CPU core
    progress : called with the clips done and the clips in all
    Returns an empty list for a sound set.
    Raises DataError where nothing can be checked, as load_dataset does: no folder, no CSV, not one label.
    """
    clipset = survey_dataset(root)
    with readable():
        strays = list(_strays(clipset))
    heard = _hear(clipset.clips, workers or n_cores(), progress)
    problems = [
        *clipset.problems,
        *(item.problem for item in heard if item.problem is not None),
        *_leaks(clipset, heard),
        *strays,
        *unlearnable(clipset),
        *clipset.notes,
    ]
    return sorted(problems, key=lambda problem: problem.note)


def _hear(clips: Sequence[Clip], workers: int, progress: Callable[[int, int], None] | None) -> list[_Heard]:
    heard = []
    pool = ThreadPoolExecutor(workers)
    try:
        for item in pool.map(lambda clip: _listen(clip.path), clips):
            heard.append(item)
            if progress is not None:
                progress(len(heard), len(clips))
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
    return heard


def _listen(path: Path) -> _Heard:
    try:
        samples = read_clip(path).samples
    except ClipError as error:
        return _Heard(error.problem, None)
    if samples.any():
        return _Heard(None, content_hash(path))
    return _Heard(Problem(path, None, "has no signal, every sample is 0", "consider leaving it out", note=True), None)


def _leaks(clipset: ClipSet, heard: Sequence[_Heard]) -> Iterator[Problem]:
    """Test clips whose file is also, byte for byte, a training clip."""
    trained: dict[str, Clip] = {}
    for clip, item in zip(clipset.clips, heard, strict=True):
        if item.content is not None and clip.split != "test":
            trained.setdefault(item.content, clip)
    for clip, item in zip(clipset.clips, heard, strict=True):
        if clip.split == "test" and item.content in trained:
            twin = trained[item.content].path
            yield Problem(clip.path, None, f"the same file is in training as {twin}", "delete one of the two rows")


def _strays(clipset: ClipSet) -> Iterator[Problem]:
    """Clips on disk that no CSV of their folder names."""
    layout = next(layout for layout in LAYOUTS if layout.name == clipset.layout)
    named: dict[Path, set[str]] = {}
    present, _ = present_splits(clipset.root, layout)
    for csv, folder in present.values():
        try:
            if csv is not None:
                rows = read_label_csv(csv, needs_labels=False)
                named[folder] = {row.fname for row in rows}
        except CsvError:
            continue  # a problem already; which clips it names is not known
    for folder, names in named.items():
        for path in audio_files(folder):
            if path.name not in names:
                yield Problem(path, None, "no CSV names this clip", "add a row for it or delete it", note=True)
