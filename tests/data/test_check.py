import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
from flatline.data import DataError, check_dataset


@pytest.fixture
def root(kaggle):
    return kaggle(
        curated={"good.wav": "Meow"}
        | {f"{name}.wav": "Bark" for name in ("gone", "empty", "cut", "text", "nan", "still")},
        noisy={"n.wav": "Bark"},
        test={"t.wav": "Bark", "leak.wav": "Bark"},
    )


def found(problems):
    return {str(problem.file).rpartition("/")[2]: problem for problem in problems}


def test_a_sound_set_has_no_problem(small_set):
    assert check_dataset(small_set) == []


def test_everything_that_is_wrong_is_told_at_once(root):
    curated = root / "train_curated"
    (curated / "gone.wav").unlink()
    (curated / "empty.wav").write_bytes(b"")
    (curated / "cut.wav").write_bytes((curated / "cut.wav").read_bytes()[:500])
    (curated / "text.wav").write_text("<html>")
    soundfile.write(curated / "nan.wav", np.full(100, np.nan, dtype=np.float32), 8000, subtype="FLOAT")
    soundfile.write(curated / "still.wav", np.zeros(100), 8000)
    shutil.copy(root / "train_noisy" / "n.wav", root / "test" / "leak.wav")
    shutil.copy(curated / "good.wav", curated / "stray.wav")
    (curated / "notes.txt").touch()
    problems = check_dataset(root, workers=2)
    expected = {
        "train_curated.csv": "gone.wav is not in",
        "empty.wav": "is empty",
        "cut.wav": "is truncated",
        "text.wav": "is not audio",
        "nan.wav": "100 of its 100 samples are NaN",
        "leak.wav": "the same file is in training as",
        "still.wav": "has no signal",
        "stray.wav": "no CSV names this clip",
    }
    assert found(problems).keys() == expected.keys()
    for name, text in expected.items():
        assert text in found(problems)[name].what
    assert found(problems)["train_curated.csv"].row == 3
    assert [problem.note for problem in problems] == [False] * 6 + [True] * 2


def test_a_split_that_was_left_out_is_a_note(root):
    shutil.rmtree(root / "train_noisy")
    (problem,) = check_dataset(root)
    assert problem.note
    assert "train_noisy/ is absent" in problem.what


def test_a_clip_that_may_not_be_read_is_a_problem_like_others(root, monkeypatch):
    def refuse(path):
        if path.name == "good.wav":
            raise PermissionError(13, "Permission denied", str(path))
        return 0

    monkeypatch.setattr("flatline.data.audio.missing_bytes", refuse)
    problem = found(check_dataset(root))["good.wav"]
    assert problem.what == "cannot be read (Permission denied)"
    assert problem.remedy.startswith("check its permissions")


@pytest.mark.parametrize("what", ["", "train_curated", "test"])
def test_a_folder_that_may_not_be_read_is_one_error_that_names_it(root, monkeypatch, what):
    def guard(name, original):
        def guarded(path, *given):
            if str(path) == str(root / what):
                raise PermissionError(13, "Permission denied", str(path))
            return original(path, *given)

        monkeypatch.setattr(name, guarded)

    guard("os.scandir", os.scandir)
    guard("pathlib.Path.iterdir", Path.iterdir)
    guard("pathlib.Path.is_dir", Path.is_dir)
    with pytest.raises(DataError, match=rf"{root / what} cannot be read \(Permission denied\); check its permissions"):
        check_dataset(root)


def test_the_same_clip_twice_in_training_is_no_leak(root):
    shutil.copy(root / "train_curated" / "good.wav", root / "train_noisy" / "n.wav")
    assert check_dataset(root) == []


def test_what_cannot_be_checked_at_all_is_an_error(tmp_path):
    with pytest.raises(DataError, match=r"no CSV of FSDKaggle2019 in"):
        check_dataset(tmp_path)


def test_progress_counts_the_clips(root):
    seen = []
    check_dataset(root, progress=lambda *counts: seen.append(counts))
    assert seen == [(done, 10) for done in range(1, 11)]


def test_a_csv_without_its_columns_hides_nothing_else(root):
    (root / "train_curated.csv").write_text("file,tags\na.wav,Bark\n")
    (root / "train_curated" / "cut.wav").write_bytes(b"")
    (root / "train_noisy" / "n.wav").write_bytes(b"")
    (root / "test" / "t.wav").unlink()
    problems = check_dataset(root)
    assert found(problems).keys() == {"train_curated.csv", "cut.wav", "n.wav", "test.csv"}
    assert "has no column fname and labels; columns found: file, tags" in found(problems)["train_curated.csv"].what
    assert found(problems)["train_curated.csv"].remedy == "give it a first line fname,labels"
    assert not any(problem.note for problem in problems)


def test_every_csv_may_lack_its_columns(root):
    csvs = ("train_curated.csv", "train_noisy.csv", "test.csv")
    for csv in csvs:
        (root / csv).write_text("file,tags\na.wav,Bark\n")
    (root / "test" / "t.wav").write_bytes(b"")
    assert found(check_dataset(root)).keys() == {*csvs, "t.wav"}


def test_labels_that_only_a_broken_csv_s_split_knew_make_no_problem_of_others(kaggle):
    root = kaggle(curated={"a.wav": "Meow"}, noisy={"b.wav": "Bark"}, test={"c.wav": "Meow"})
    (root / "train_curated.csv").write_text("file,tags\na.wav,Meow\n")
    assert found(check_dataset(root)).keys() == {"train_curated.csv"}


def test_an_open_quote_over_the_field_limit_is_a_problem_with_its_line(root):
    with (root / "train_noisy.csv").open("a") as file:
        file.write('x.wav,"' + "Bark" * 50_000)
    problem = found(check_dataset(root))["train_noisy.csv"]
    assert problem.row == 3
    assert "cannot be read as CSV" in problem.what
