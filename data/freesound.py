"""FSDKaggle2019 on disk, in the layout of Kaggle and in that of Zenodo."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import soundfile

from .clipset import Clip, ClipSet, SplitName
from .errors import DataError, Problem, readable, summarise
from .folders import audio_files
from .label_csv import CsvError, LabelRow, read_header, read_label_csv, read_vocabulary


@dataclass(frozen=True)
class Layout:
    """Where a layout keeps what: split -> (CSV, folder of its clips), and the files that list the classes."""

    name: str
    splits: Mapping[SplitName, tuple[str, str]]
    vocabularies: tuple[str, ...]

    @property
    def csvs(self) -> tuple[str, ...]:
        """Every CSV by which the layout is recognised."""
        return (*(csv for csv, _ in self.splits.values()), *self.vocabularies)


KAGGLE = Layout(
    "kaggle",
    {
        "curated": ("train_curated.csv", "train_curated"),
        "noisy": ("train_noisy.csv", "train_noisy"),
        "test": ("test.csv", "test"),
    },
    ("sample_submission.csv", "vocabulary.csv"),
)
ZENODO = Layout(
    "zenodo",
    {
        "curated": ("FSDKaggle2019.meta/train_curated_post_competition.csv", "FSDKaggle2019.audio_train_curated"),
        "noisy": ("FSDKaggle2019.meta/train_noisy_post_competition.csv", "FSDKaggle2019.audio_train_noisy"),
        "test": ("FSDKaggle2019.meta/test_post_competition.csv", "FSDKaggle2019.audio_test"),
    },
    ("FSDKaggle2019.meta/vocabulary.csv",),
)
LAYOUTS = (ZENODO, KAGGLE)


@readable()
def load_dataset(root: Path | str, *, on_problem: Literal["raise", "collect"] = "raise") -> ClipSet:
    """The clips, labels and classes under a data root, its layout recognised by what is there.

    A subset loads: a CSV whose folder of clips is absent is left out, with a note. Classes are those of
    `sample_submission.csv` or `vocabulary.csv`, else the sorted labels of the curated clips (of whatever has labels).
    Clips are not decoded here: `check_dataset` does that.

    on_problem : "raise" makes one error of all bad rows, "collect" leaves them out and lists them in `problems`
    Raises DataError if there is no such folder or it may not be read, no label CSV, a CSV without its columns, or (with
    "raise") a bad row.
    Source: FSDKaggle2019, doi 10.5281/zenodo.3612637, README.
    """
    root = Path(root)
    layout = recognise(root)
    present, notes = present_splits(root, layout)
    tables: dict[SplitName, tuple[LabelRow, ...]] = {
        split: _read(csv, split) for split, (csv, _) in present.items() if csv is not None
    }
    clipset = _judged(root, layout, present, tables, _classes(root, layout, tables), notes)
    if clipset.problems and on_problem == "raise":
        raise DataError(_many(root, clipset.problems))
    return clipset


@readable()
def survey_dataset(root: Path | str) -> ClipSet:
    """As `load_dataset`, but with CSVs that cannot be read among the `problems`, so that one does not hide another.

    The clips in the folder of such a CSV are there without labels.

    Raises DataError if there is no such folder, no CSV, or no label in CSVs that can be read.
    """
    root = Path(root)
    layout = recognise(root)
    present, notes = present_splits(root, layout)
    tables: dict[SplitName, tuple[LabelRow, ...]] = {}
    broken: list[Problem] = []
    for split, (csv, _) in present.items():
        try:
            if csv is not None:
                tables[split] = _read(csv, split)
        except CsvError as error:
            broken.append(error.problem)
    try:
        classes = _classes(root, layout, tables)
    except CsvError as error:
        broken.append(error.problem)
        classes = ()
    except DataError:
        if not broken:
            raise
        classes = ()
    if broken:  # classes that only the CSV which cannot be read has named must not make problems of others' rows
        classes = tuple(dict.fromkeys((*classes, *_labels(tables.values()))))
    clipset = _judged(root, layout, present, tables, classes, notes)
    return replace(clipset, problems=(*broken, *clipset.problems))


def _judged(
    root: Path,
    layout: Layout,
    present: Mapping[SplitName, tuple[Path | None, Path]],
    tables: Mapping[SplitName, tuple[LabelRow, ...]],
    classes: tuple[str, ...],
    notes: tuple[Problem, ...],
) -> ClipSet:
    """The clip set with every row as a clip or as a problem; a split without a table has its folder's clips."""
    clips, problems = [], []
    for split, (csv, folder) in present.items():
        rows = tables.get(split)
        if csv is None or rows is None:
            clips += _unlabelled(folder, split)
            continue
        for item in _judge(rows, split, csv, folder, frozenset(classes)):
            (problems if isinstance(item, Problem) else clips).append(item)
    return ClipSet(root, layout.name, classes, tuple(clips), tuple(problems), _sample_rate(clips), notes)


def recognise(root: Path) -> Layout:
    """The layout of which a CSV is there.

    Raises DataError where there is no such folder, or none of the CSVs.
    """
    if not root.is_dir():
        what = "is a file, not a folder" if root.exists() else "does not exist"
        raise DataError(f"data root {root} {what}; give the folder that holds train_curated.csv")
    for layout in LAYOUTS:
        if any((root / name).is_file() for name in layout.csvs):
            return layout
    looked_for = "; ".join(f"{layout.name}: {', '.join(layout.csvs)}" for layout in reversed(LAYOUTS))
    found = ", ".join(sorted(entry.name for entry in root.iterdir())[:8]) or "nothing"
    raise DataError(
        f"no CSV of FSDKaggle2019 in {root} (looked for {looked_for}; found {found}); "
        "give the folder that holds one of them, or make a set with `flatline data make DIR`"
    )


def present_splits(root: Path, layout: Layout) -> tuple[dict[SplitName, tuple[Path | None, Path]], tuple[Problem, ...]]:
    """The splits whose clips are on disk, each with its CSV (None for a test folder without one), and notes.

    Raises DataError where no split has its clips.
    """
    present: dict[SplitName, tuple[Path | None, Path]] = {}
    notes = []
    for split, (csv_name, folder_name) in layout.splits.items():
        csv, folder = root / csv_name, root / folder_name
        if folder.is_dir() and (csv.is_file() or split == "test"):
            present[split] = (csv if csv.is_file() else None, folder)
        elif folder.is_dir():
            notes.append(_note(folder, f"has no {csv_name}, so its clips were left out", "add the CSV to use them"))
        elif csv.is_file():
            notes.append(_note(csv, f"its folder {folder_name}/ is absent, so it was left out", "add the folder"))
    if not present:
        folders = ", ".join(f"{folder}/" for _, folder in layout.splits.values())
        raise DataError(f"{root} has none of the folders of clips {folders}; unpack the audio beside the CSVs")
    return present, tuple(notes)


def _note(file: Path, what: str, remedy: str) -> Problem:
    return Problem(file, None, what, remedy, note=True)


def _read(csv: Path, split: SplitName) -> tuple[LabelRow, ...]:
    """The rows of one CSV; a test CSV in which no row has a label counts as one without the column."""
    rows = read_label_csv(csv, needs_labels=split != "test")
    if split == "test" and not any(row.labels for row in rows):
        return tuple(replace(row, labels=None) for row in rows)
    return rows


def _classes(root: Path, layout: Layout, tables: Mapping[SplitName, tuple[LabelRow, ...]]) -> tuple[str, ...]:
    for name in layout.vocabularies:
        path = root / name
        if path.is_file():
            classes = read_header(path)[1:] if name.startswith("sample_submission") else read_vocabulary(path)
            if classes:
                return tuple(dict.fromkeys(classes))
    for rows in tables.values():  # curated first
        if labels := _labels([rows]):
            return labels
    raise DataError(f"no row under {root} has a label, so there are no classes; fill the column labels of its CSVs")


def _labels(tables: Iterable[tuple[LabelRow, ...]]) -> tuple[str, ...]:
    """Every label of the rows, sorted."""
    return tuple(sorted({label for rows in tables for row in rows for label in row.labels or () if "\n" not in label}))


def _judge(
    rows: tuple[LabelRow, ...], split: SplitName, csv: Path, folder: Path, classes: frozenset[str]
) -> Iterator[Clip | Problem]:
    """Every row as a clip, or as the problem that keeps it from being one."""
    on_disk = {entry.name for entry in folder.iterdir()}  # one listing: a stat a row costs seconds on 25,000 rows
    first_line: dict[str, int] = {}
    for row in rows:
        wrong = _fault(row, folder, on_disk, first_line, classes)
        first_line.setdefault(row.fname, row.row)
        if wrong is None:
            yield Clip(row.fname, folder / row.fname, row.labels or (), split, csv, row.row)
        else:
            yield Problem(csv, row.row, *wrong)


def _fault(
    row: LabelRow, folder: Path, on_disk: set[str], first_line: Mapping[str, int], classes: frozenset[str]
) -> tuple[str, str] | None:
    """What is wrong with a row and what to do, None for a good one."""
    if not row.fname:
        return "the row has no file name", "fill its column fname or delete the row"
    if "\n" in row.fname + "".join(row.labels or ()):
        return "a quoted cell runs over several lines", "close its quotes; the rows it swallowed are missing"
    if row.fname in first_line:
        return f"{row.fname} is named again (first on line {first_line[row.fname]})", "keep one of the two rows"
    if row.fname not in on_disk:
        return f"{row.fname} is not in {folder}", "restore the file or delete the row"
    if row.labels == ():
        return f"{row.fname} has no label", "give it one or delete the row"
    unknown = [label for label in row.labels or () if label not in classes]
    if unknown:
        what = f"label {', '.join(map(repr, unknown))} of {row.fname} is not one of the {len(classes)} classes"
        return what, "correct the label or add it to the list of classes"
    return None


def _unlabelled(folder: Path, split: SplitName) -> Iterator[Clip]:
    for path in audio_files(folder):
        yield Clip(path.name, path, (), split)


def _sample_rate(clips: list[Clip]) -> int | None:
    for clip in clips:
        try:
            return soundfile.info(clip.path).samplerate
        except (soundfile.LibsndfileError, OSError):
            continue  # `check_dataset` and `extract` name the clip
    return None


def _many(root: Path, problems: Sequence[Problem]) -> str:
    count = "1 bad row" if len(problems) == 1 else f"{len(problems)} bad rows"
    remedy = f"see all with `flatline data check {root}`, or leave them out with `--set data.skip_bad=true`"
    return summarise(problems, f"{count} in {root}", remedy)
