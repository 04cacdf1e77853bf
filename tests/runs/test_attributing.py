"""Attributions of a run's clips: what they are of, and when they are not computed again."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from flatline.dashboard.chosen import is_plain
from flatline.data import DataError, load_dataset
from flatline.diagnostics.errors import RunError, UnknownNameError
from flatline.runs import attributing
from flatline.runs.attributing import Attributor, Settings, attribute_clip
from flatline.runs.attribution_limit import drop_oldest, mark_as_passing
from flatline.runs.attribution_store import all_stored
from flatline.runs.kept_clips import kept_clip, kept_clips
from flatline.runs.log import RunLog
from flatline.runs.predict import Predictor
from flatline.runs.run import Run
from flatline.runs.train import train
from safetensors import safe_open
from safetensors.torch import save_file


@pytest.fixture(scope="module")
def finished(small_recipe, small_task, tmp_path_factory):
    return train(small_recipe("story-published", "ablate=false"), small_task, tmp_path_factory.mktemp("logs")).path


@pytest.fixture
def run(finished, tmp_path):
    return Run(shutil.copytree(finished, tmp_path / "run"))


@pytest.fixture
def pinned(run):
    return kept_clips(run)[0]


@pytest.fixture
def computed(monkeypatch):
    """The methods that are computed, in the order in which they are."""
    asked, whole = [], Attributor.attribute

    def counted(self, clip, class_name, methods, settings=None, **more):
        asked.extend((class_name, method) for method in methods)
        return whole(self, clip, class_name, methods, settings, **more)

    monkeypatch.setattr(Attributor, "attribute", counted)
    return asked


def test_the_output_is_what_predict_says_and_the_sum_what_it_should_be(run, pinned, tiny_data):
    class_name = run.classes[5]
    (found,) = attribute_clip(run, pinned, class_name)
    arrays = found.arrays()
    assert arrays["attribution"].shape == arrays["mel"].shape
    difference = found.output - found.baseline_output
    assert abs(arrays["attribution"].sum(dtype=float) - difference) <= 0.01 * max(abs(difference), 0.05)
    assert found.delta == pytest.approx(arrays["attribution"].sum(dtype=float) - difference)
    predictor = Predictor(run)
    clip = torch.from_numpy(kept_clip(run, pinned).mel)[None]
    with torch.no_grad():
        assert found.output == pytest.approx(float(predictor.model.eval()(clip)[0, 5]), abs=1e-6)
    assert found.of == "probabilities"
    assert found.file.is_absolute()
    assert found.iteration == int(run.evaluations.lwlrap.idxmax())


def test_padding_is_left_out_and_the_mel_is_the_networks_own_input(run, pinned):
    kept = kept_clip(run, pinned)
    (found,) = attribute_clip(run, pinned)
    np.testing.assert_array_equal(found.arrays()["mel"], kept.mel[: kept.n_real])


def test_a_second_call_is_answered_from_the_run(run, pinned, computed):
    first = attribute_clip(run, pinned, "top", ["saliency", "occlusion"])
    assert len(computed) == 2
    marks = [one.file.stat().st_mtime_ns for one in first]
    again = attribute_clip(Run(run.path), pinned, "top", ["occlusion", "saliency"])
    assert len(computed) == 2
    assert [one.method for one in again] == ["occlusion", "saliency"]
    assert [one.file.stat().st_mtime_ns for one in first] == marks
    assert [one.made for one in first + again] == [True, True, False, False]
    assert again[1].to_json() == first[0].to_json()
    assert again[0].checks["agreement"] == {"saliency": again[1].checks["agreement"]["occlusion"]}
    assert len(all_stored(run.path)) == 2


@pytest.mark.parametrize(
    "other",
    [
        {"methods": ["saliency"]},
        {"wanted": 1},
        {"iteration": 3},
        {"settings": Settings(baseline="blurred")},
        {"settings": Settings(of="logits")},
        {"settings": Settings(noise=3)},
    ],
)
def test_whatever_changes_the_numbers_is_computed_anew(run, pinned, computed, other):
    wanted = run.classes[other.pop("wanted", 0)]
    asked = {"methods": ["input-x-gradient"], "iteration": 6}
    attribute_clip(run, pinned, run.classes[0], **asked)
    attribute_clip(run, pinned, wanted, **{**asked, **other})
    assert len(computed) == 2
    assert len(all_stored(run.path)) == 2


def test_other_weights_under_the_same_name_are_not_answered_by_the_old(run, pinned, computed):
    attribute_clip(run, pinned, methods=["saliency"], iteration=6)
    weights = run.path / "checkpoints" / "000000006.safetensors"
    with safe_open(weights, "pt") as file:
        changed = {name: file.get_tensor(name) * 1.5 for name in file.keys()}  # noqa: SIM118  (no mapping)
        save_file(changed, weights, metadata=file.metadata())
    attribute_clip(run, pinned, methods=["saliency"], iteration=6)
    assert len(computed) == 2


def test_a_clip_of_the_data_and_its_file_are_the_same_clip(run, tiny_data, pinned, computed):
    kept = Attributor(run).clip(pinned)
    path = next(clip.path for clip in load_dataset(tiny_data).clips if clip.fname == pinned)
    from_file = Attributor(run).clip(str(path))
    np.testing.assert_allclose(from_file.mel, kept.mel, atol=1e-5)
    assert (from_file.n_real, from_file.frame_s) == (kept.n_real, kept.frame_s)
    assert from_file.labels is None
    assert Attributor(run).clip(str(path), labelled=True).labels == kept.labels
    training = load_dataset(tiny_data).clips[0]
    assert training.fname not in kept_clips(run)
    assert Attributor(run).clip(training.fname).labels == training.labels


def test_any_audio_file_is_taken_mixed_down_resampled_and_cut(run, tmp_path):
    t = np.arange(44100 * 20) / 44100
    stereo = 0.3 * np.stack([np.sin(2 * np.pi * 440 * t), np.zeros(len(t))], axis=1)
    soundfile.write(tmp_path / "a.wav", stereo, 44100)
    clip = Attributor(run).clip(str(tmp_path / "a.wav"))
    settings = attributing.run_inputs(run)[0]
    assert clip.mel.shape == (settings.n_frames, settings.n_mels)
    assert clip.n_real == settings.n_frames
    soundfile.write(tmp_path / "b.wav", stereo[:4000], 44100)
    short = Attributor(run).clip(str(tmp_path / "b.wav"))
    assert short.n_real < 3
    for path in ("a.wav", "b.wav"):
        (found,) = attribute_clip(run, str(tmp_path / path), methods=["saliency"])
        assert found.clip == str(tmp_path / path)
        assert found.checks


def test_top_true_and_all_mean_what_they_say(run, pinned):
    asked = Attributor(run)
    clip = asked.clip(pinned)
    scores = asked.scores(clip.mel[None], [clip.n_real])[0]
    assert asked.classes("top", clip) == [run.classes[int(scores.argmax())]]
    assert asked.classes("true", clip) == list(clip.labels)
    assert asked.classes("all", clip) == run.classes


MEAN = {"methods": ["saliency"], "settings": Settings(baseline="mean")}


@pytest.fixture
def means(monkeypatch):
    """Roots whose mean is computed."""
    roots, whole = [], attributing._mean_of_training

    def counted(asked, root):
        roots.append(root)
        return whole(asked, root)

    monkeypatch.setattr(attributing, "_mean_of_training", counted)
    return roots


def mean_file(run):
    (file,) = (run.path / "attributions").glob("training-mean-*.npy")
    return file


def test_the_mean_of_the_training_clips_is_a_baseline_and_kept(run, pinned, small_task, means):
    (found,) = attribute_clip(run, pinned, **MEAN)
    frames = np.concatenate([small_task.features[place] for place in small_task.place[small_task.train].tolist()])
    expected = small_task.scaling.apply(frames).mean(axis=0)
    np.testing.assert_allclose(np.load(mean_file(run)), expected, atol=1e-4)
    asked = Attributor(run)
    assert asked._baseline("mean", asked.clip(pinned)).shape == found.arrays()["mel"].shape
    assert means == [small_task.clipset.root.resolve()]


@pytest.mark.parametrize("damage", [lambda data: b"", lambda data: data[:-20], lambda data: data[:-8] + b"\xff" * 8])
def test_a_mean_that_is_damaged_is_computed_again(run, pinned, means, damage):
    asked = Attributor(run)
    whole = asked._baseline("mean", asked.clip(pinned))
    file = mean_file(run)
    file.write_bytes(damage(file.read_bytes()))
    asked = Attributor(run)
    assert torch.equal(asked._baseline("mean", asked.clip(pinned)), whole)
    assert len(means) == 2
    assert np.isfinite(np.load(file)).all()


def test_a_mean_that_is_half_written_leaves_nothing(run, pinned, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("flatline.runs.jsons.os.replace", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            attribute_clip(run, pinned, **MEAN)
    assert list((run.path / "attributions").iterdir()) == []
    assert attribute_clip(run, pinned, **MEAN)


def test_the_mean_of_other_data_is_its_own_and_not_the_run_s(run, pinned, tiny_data, tmp_path, means):
    other = Path(shutil.copytree(tiny_data, tmp_path / "other"))
    for path in sorted((other / "train_curated").iterdir()):
        samples, rate_hz = soundfile.read(path)
        soundfile.write(path, samples * 0.1, rate_hz)
    (theirs,) = attribute_clip(run, pinned, data=other, **MEAN)
    (own,) = attribute_clip(run, pinned, **MEAN)
    assert means == [other.resolve(), tiny_data.resolve()]
    assert theirs.file != own.file
    assert (theirs.options["mean_of"], "mean_of" in own.options) == (str(means[0]), False)
    assert not is_plain(theirs, "mean")  # no page asks for it
    assert is_plain(own, "mean")
    assert theirs.baseline_output != own.baseline_output
    assert [one.made for one in attribute_clip(run, pinned, data=other, **MEAN)] == [False]
    assert len(means) == 2


def test_the_mean_of_its_own_data_is_known_wherever_they_lie(run, pinned, tiny_data, tmp_path, means):
    moved = Path(shutil.copytree(tiny_data, tmp_path / "moved"))
    info = json.loads((run.path / "run.json").read_text())
    info["data"]["root"] = str(tmp_path / "gone")
    (run.path / "run.json").write_text(json.dumps(info))
    with pytest.raises(RunError, match=r"no longer at .*gone; say where they are with --data"):
        attribute_clip(Run(run.path), pinned, **MEAN)
    means.clear()
    (first,) = attribute_clip(Run(run.path), pinned, data=moved, **MEAN)
    (again,) = attribute_clip(Run(run.path), pinned, **MEAN)
    assert means == [moved.resolve()]
    assert (again.file, again.made) == (first.file, False)
    assert is_plain(first, "mean")


def test_what_a_command_asks_for_stays_though_a_page_made_it(run, pinned, computed):
    (one,) = attribute_clip(run, pinned, methods=["saliency"])
    mark_as_passing(run.path, one.file.stem)
    assert attribute_clip(run, pinned, methods=["saliency"])[0].made is False
    assert drop_oldest(run.path, most=0) == 0
    assert [kept.file for kept in all_stored(run.path)] == [one.file]
    assert len(computed) == 1


def test_the_checks_stand_with_each_result(run, pinned):
    (found,) = attribute_clip(run, pinned)
    areas = {f"{curve}_area{what}" for curve in ("deletion", "insertion") for what in ("", "_random", "_random_std")}
    assert areas | {"randomised_weights", "other_class", "other_class_name", "agreement"} == set(found.checks)
    arrays = found.arrays()
    assert arrays["deletion"].shape == arrays["fraction"].shape
    assert arrays["deletion"][0] == pytest.approx(found.output)
    assert arrays["random_deletion"].shape == (5, len(arrays["fraction"]))
    assert found.checks["other_class_name"] in set(run.classes) - {found.class_name}


def test_names_that_are_not_known_list_those_that_are(run, pinned):
    with pytest.raises(UnknownNameError, match=rf"unknown class 'Nope'.*{run.classes[0]}.*top.*true"):
        attribute_clip(run, pinned, "Nope")
    with pytest.raises(UnknownNameError, match=r"unknown method 'lime'.*occlusion"):
        attribute_clip(run, pinned, "top", ["lime"])
    with pytest.raises(UnknownNameError, match=r"unknown baseline 'x'.*blurred"):
        attribute_clip(run, pinned, settings=Settings(baseline="x"))
    with pytest.raises(RunError, match=rf"no clip is called 'nope.wav'.*{pinned}"):
        attribute_clip(run, "nope.wav")
    with pytest.raises(RunError, match=r"no checkpoint of iteration 4.*3, 6"):
        attribute_clip(run, pinned, iteration=4)


def test_files_that_cannot_be_used_are_one_message(run, tmp_path):
    (tmp_path / "empty.wav").write_bytes(b"")
    (tmp_path / "text.wav").write_text("no sound")
    for name, says in (
        ("empty.wav", "empty"),
        ("text.wav", "decoded"),
        ("missing.wav", "does not exist"),
        (".", "folder"),
    ):
        with pytest.raises(DataError, match=says):
            attribute_clip(run, str(tmp_path / name))


def test_true_labels_that_are_not_known_are_asked_for(run, tmp_path):
    soundfile.write(tmp_path / "a.wav", np.random.default_rng(0).normal(size=8000) * 0.1, 8000)
    with pytest.raises(RunError, match=r"true labels.*name a class"):
        attribute_clip(run, str(tmp_path / "a.wav"), "true")


def test_a_run_without_recipe_checkpoint_or_fitting_weights_is_one_message(run, pinned, tmp_path):
    RunLog(tmp_path / "own", {"classes": ["a"], "parameters": ["w"]}).close()
    with pytest.raises(RunError, match="training loop of your own"):
        attribute_clip(Run(tmp_path / "own"), "a.wav")
    info = (run.path / "run.json").read_text()
    (run.path / "run.json").write_text(info.replace('"n_hidden": 4', '"n_hidden": 6'))
    with pytest.raises(RunError, match="does not fit the model"):
        attribute_clip(Run(run.path), pinned)
    (run.path / "run.json").write_text(info)
    for path in (run.path / "checkpoints").iterdir():
        if path.suffix == ".safetensors":
            path.write_bytes(b"damaged")
    with pytest.raises(RunError, match=r"checkpoint"):
        attribute_clip(Run(run.path), pinned)
    shutil.rmtree(run.path / "checkpoints")
    with pytest.raises(RunError, match=r"no checkpoint; train it"):
        attribute_clip(Run(run.path), pinned)


def test_progress_counts_classes(run, pinned):
    told = []
    attribute_clip(run, pinned, "all", ["rollout"], progress=lambda *given: told.append(given))
    assert told[0] == (0, len(run.classes))
    assert told[-1] == (len(run.classes), len(run.classes))


def test_nothing_but_the_store_is_changed_in_the_run(run, pinned):
    def files():
        return {path: path.read_bytes() for path in Path(run.path).rglob("*") if path.is_file()}

    before = files()
    attribute_clip(run, pinned, methods=["saliency"])
    assert {path.parent.name for path in files().keys() - before.keys()} == {"attributions"}
    assert {path: data for path, data in files().items() if path in before} == before
