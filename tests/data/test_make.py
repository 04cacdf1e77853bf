import csv
import json
from collections import defaultdict

import numpy as np
import pytest
import soundfile
from flatline.data import DataError, load_dataset, make_dataset
from flatline.data import make as make_module
from flatline.data.make import MARKER
from flatline.data.sounds import CLASSES

FEW = {"n_curated": 6, "n_noisy": 3, "n_test": 3}


def contents(root):
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def events_of(root):
    found = defaultdict(list)
    with (root / "events.csv").open() as file:
        for row in csv.DictReader(file):
            found[row["fname"]].append((float(row["onset_s"]), float(row["offset_s"]), row["event_label"]))
    return found


def test_a_seed_gives_the_same_bytes_whatever_the_workers(tmp_path):
    one = make_dataset(tmp_path / "one", seed=5, workers=1, **FEW)
    many = make_dataset(tmp_path / "many", seed=5, workers=4, **FEW)
    assert contents(one) == contents(many)


def test_another_seed_gives_other_clips(tmp_path):
    one, other = (contents(make_dataset(tmp_path / str(seed), seed=seed, **FEW)) for seed in (5, 6))
    assert not {v for k, v in one.items() if k.endswith(".wav")} & {v for k, v in other.items() if k.endswith(".wav")}


def test_the_set_loads_without_a_problem_and_is_evaluated_on_its_test_split(small_set):
    clipset = load_dataset(small_set)
    assert (clipset.layout, clipset.classes, clipset.sample_rate_hz) == ("kaggle", CLASSES, 16000)
    assert (clipset.problems, clipset.notes) == ((), ())
    assert [len(clipset.split(name)) for name in ("curated", "noisy", "test")] == [80, 40, 20]
    assert clipset.has_labelled_test
    assert (clipset.targets(clipset.split("curated")).sum(0) > 0).all()


def test_clips_are_16_bit_mono_of_1_to_8_seconds(small_set):
    infos = [soundfile.info(clip.path) for clip in load_dataset(small_set).clips]
    assert {(info.samplerate, info.channels, info.subtype, info.format) for info in infos} == {
        (16000, 1, "PCM_16", "WAV")
    }
    durations = np.array([info.duration for info in infos])
    assert durations.min() >= 1
    assert durations.max() <= 8
    assert durations.mean() == pytest.approx(3, abs=0.5)


def test_events_agree_with_the_labels_but_for_a_quarter_of_the_noisy_clips(small_set):
    events = events_of(small_set)
    wrong = defaultdict(int)
    for clip in load_dataset(small_set).clips:
        wrong[clip.split] += {label for _, _, label in events[clip.fname]} != set(clip.labels)
        assert all(0 <= on < off <= soundfile.info(clip.path).duration + 1e-3 for on, off, _ in events[clip.fname])
    assert wrong == {"curated": 0, "noisy": 10, "test": 0}


def test_a_set_that_is_there_already_is_left_as_it_is(tmp_path, monkeypatch):
    root = make_dataset(tmp_path / "set", **FEW)
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*")}
    monkeypatch.setattr(make_module, "mix", lambda *_: pytest.fail("made again"))
    assert make_dataset(tmp_path / "set", **FEW) == root
    assert before == {path: path.stat().st_mtime_ns for path in root.rglob("*")}


def test_a_folder_with_another_set_is_refused(tmp_path):
    make_dataset(tmp_path / "set", seed=1, **FEW)
    with pytest.raises(DataError, match=r"set holds another set of sounds; name a new or empty folder"):
        make_dataset(tmp_path / "set", seed=2, **FEW)


def test_a_set_made_with_other_knobs_is_another_set(tmp_path):
    root = make_dataset(tmp_path / "set", **FEW)
    marker = json.loads((root / MARKER).read_text())
    (root / MARKER).write_text(json.dumps(marker | {"PITCH_JITTER_OCTAVES": 0.5}))
    with pytest.raises(DataError, match="another set of sounds"):
        make_dataset(root, **FEW)


def test_a_folder_with_anything_else_is_refused_and_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("precious")
    with pytest.raises(DataError, match=r"is not empty; name a new or empty folder"):
        make_dataset(tmp_path, **FEW)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_file_in_place_of_the_folder_is_refused(tmp_path):
    (tmp_path / "set").touch()
    with pytest.raises(DataError, match=r"set is a file; name a new"):
        make_dataset(tmp_path / "set", **FEW)


def test_an_empty_folder_is_filled(tmp_path):
    (tmp_path / "set").mkdir()
    assert len(load_dataset(make_dataset(tmp_path / "set", **FEW))) == 12


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_an_interrupted_make_leaves_nothing_that_could_pass_for_a_set(tmp_path, error):
    def interrupt(done, _):
        if done == 5:
            raise error

    with pytest.raises(error):
        make_dataset(tmp_path / "set", progress=interrupt, **FEW)
    assert [path.name for path in tmp_path.iterdir()] == ["set"]
    assert not any((tmp_path / "set").iterdir())
    assert len(load_dataset(make_dataset(tmp_path / "set", **FEW))) == 12


def test_a_folder_that_cannot_be_written_is_one_clear_error(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match=r"cannot be written to .*file/set \(.+\); choose another folder"):
        make_dataset(tmp_path / "file" / "set", **FEW)


@pytest.mark.parametrize("counts", [{"n_curated": 0, "n_noisy": 0, "n_test": 0}, {"n_curated": -1}])
def test_no_clips_are_an_error(tmp_path, counts):
    with pytest.raises(DataError, match=r"makes no data set; use counts of 0 or more"):
        make_dataset(tmp_path / "set", **counts)


def test_a_set_without_test_clips_loads(tmp_path):
    clipset = load_dataset(make_dataset(tmp_path / "set", n_curated=5, n_noisy=0, n_test=0))
    assert (len(clipset), clipset.has_labelled_test, clipset.classes) == (5, False, CLASSES)


def test_progress_counts_the_clips(tmp_path):
    seen = []
    make_dataset(tmp_path / "set", progress=lambda *counts: seen.append(counts), **FEW)
    assert seen == [(done, 12) for done in range(1, 13)]
