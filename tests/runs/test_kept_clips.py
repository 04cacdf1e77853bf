"""What a run keeps of its pinned clips, and how it comes back."""

import json
import subprocess
import sys
import wave

import numpy as np
import pytest
import torch
from flatline.data import read_clip
from flatline.diagnostics.errors import RunError, UnknownNameError
from flatline.runs import pinned_clips
from flatline.runs.kept_clips import (
    AUDIO,
    MEL,
    METADATA,
    Event,
    KeptClip,
    clip_scores,
    keep_clip,
    kept_clip,
    kept_clips,
)
from flatline.runs.log import RunLog
from flatline.runs.maps import reader_of
from flatline.runs.pinned_clips import events_in, mel_hz
from flatline.runs.places import place
from flatline.runs.recording import Recorder
from flatline.runs.run import Run
from flatline.runs.task import prepare
from flatline.runs.train import Training, train

EVENTS = (Event(0.5, 1.0, "a"), Event(0.75, 2.0, "b"))


@pytest.fixture(scope="module")
def trained(small_recipe, small_task, tmp_path_factory):
    return Run(train(small_recipe("story-published"), small_task, tmp_path_factory.mktemp("logs")).path)


@pytest.fixture
def run(tmp_path):
    """A run of two pinned clips that keeps neither."""
    RunLog(tmp_path / "mine", {"clips": ["one.wav", "../b"], "classes": ["a", "b"]}).close()
    return Run(tmp_path / "mine")


def a_clip(name="one.wav", **changed):
    mel = np.random.default_rng(0).random((8, 3)).astype(np.float32)
    facts = {"labels": ("a", "b"), "frame_s": 0.25, "hz": np.array([100.0, 200.0, 400.0]), "n_real": 6}
    return KeptClip(name, mel, **{**facts, "events": EVENTS, "sample_rate_hz": 8000, **changed})


def test_what_is_kept_comes_back(run):
    keep_clip(run.path, a_clip(), np.linspace(-1, 1, 4000))
    found = kept_clip(run, "one.wav")
    assert (found.name, found.labels, found.frame_s, found.n_real) == ("one.wav", ("a", "b"), 0.25, 6)
    assert (found.events, found.sample_rate_hz, found.duration_s) == (EVENTS, 8000, 0.5)
    assert found.mel.dtype == np.float32
    np.testing.assert_array_equal(found.mel, a_clip().mel)
    np.testing.assert_array_equal(found.hz, [100, 200, 400])
    assert kept_clips(run) == ["one.wav"]


def test_the_sound_is_16_bit_mono_at_its_own_rate_and_what_is_too_loud_is_cut(run):
    keep_clip(run.path, a_clip(sample_rate_hz=11025), np.array([0.0, 0.5, -1.0, 1.5, -2.0]))
    with wave.open(str(kept_clip(run, "one.wav").audio)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 11025)
        samples = np.frombuffer(file.readframes(10), dtype="<i2")
    assert samples.tolist() == [0, 16384, -32767, 32767, -32767]


def test_a_clip_whose_name_leads_elsewhere_stays_in_the_run(run):
    keep_clip(run.path, a_clip("../b"))
    assert [path.name for path in (run.path / "clips").iterdir()] == ["%2E.%2Fb"]
    assert kept_clip(run, "../b").audio is None
    assert kept_clips(run) == ["../b"]


def test_what_is_not_known_is_none(run):
    keep_clip(run.path, KeptClip("one.wav", np.zeros((4, 2))))
    found = kept_clip(run, "one.wav")
    unknown = (found.labels, found.frame_s, found.hz, found.n_real, found.events, found.audio, found.duration_s)
    assert unknown == (None,) * 7


def test_a_clip_that_is_kept_is_left_as_it_is(run):
    keep_clip(run.path, a_clip())
    keep_clip(run.path, a_clip(labels=("other",)))
    assert kept_clip(run, "one.wav").labels == ("a", "b")


def test_a_clip_that_was_begun_and_not_ended_counts_for_nothing_and_is_written_anew(run):
    keep_clip(run.path, a_clip(), np.zeros(4))
    folder = run.path / "clips" / "one.wav"
    (folder / METADATA).unlink()
    assert kept_clips(run) == []
    keep_clip(run.path, a_clip(labels=("new",)))
    assert kept_clip(run, "one.wav").labels == ("new",)


def test_the_metadata_are_written_and_put_into_a_store_last():
    assert sorted([METADATA, MEL, AUDIO]) == [AUDIO, MEL, METADATA]


def test_an_unknown_clip_is_an_error_that_names_the_known_ones(run):
    with pytest.raises(UnknownNameError, match=r"unknown pinned clip 'two' \(run mine\); known: ../b, one.wav"):
        kept_clip(run, "two")


def test_a_run_of_an_earlier_version_says_what_to_do(run):
    with pytest.raises(RunError, match=r"run mine keeps nothing of clip 'one.wav' in .*; train it again"):
        kept_clip(run, "one.wav")


@pytest.mark.parametrize("file", [METADATA, MEL])
def test_a_damaged_clip_is_an_error_that_names_its_folder(run, file):
    keep_clip(run.path, a_clip())
    (run.path / "clips" / "one.wav" / file).write_bytes(b"{ half")
    with pytest.raises(RunError, match=r"clips/one.wav cannot be read .*; delete it"):
        kept_clip(run, "one.wav")


def test_a_folder_that_cannot_be_written_is_said_and_ends_nothing(run):
    (run.path / "clips").write_text("a file in its place")
    with pytest.warns(UserWarning, match="pinned clip 'one.wav' could not be kept"):
        keep_clip(run.path, a_clip())


def test_map_frames_divide_the_clip_s_time():
    clip = a_clip()
    np.testing.assert_allclose(clip.edges(), (np.arange(9) - 0.5) * 0.25)
    np.testing.assert_allclose(clip.edges(2), [-0.125, 0.875, 1.875])
    np.testing.assert_allclose(a_clip(frame_s=None).edges(4), [-0.5, 1.5, 3.5, 5.5, 7.5])


def test_training_keeps_the_pinned_clips_as_the_model_got_them(trained, small_task):
    assert kept_clips(trained) == trained.info["clips"]
    batch = small_task.batch(small_task.validation[:3])
    for row, name in enumerate(trained.info["clips"]):
        found = kept_clip(trained, name)
        clip = small_task.clipset.clips[small_task.validation[row]]
        np.testing.assert_array_equal(found.mel, batch.inputs[row])
        assert (found.labels, found.n_real) == (clip.labels, int(batch.mask[row].sum()))
        assert found.frame_s == pytest.approx(0.256)
        original = read_clip(clip.path)
        assert found.sample_rate_hz == original.sample_rate_hz
        assert found.duration_s == pytest.approx(min(original.duration_s, small_task.settings.duration_s))
        assert {event.label for event in found.events} == set(clip.labels)


def test_the_sound_that_is_kept_is_the_clip_s(trained, small_task):
    name = trained.info["clips"][0]
    original = read_clip(small_task.clipset.clips[small_task.validation[0]].path)
    kept = read_clip(kept_clip(trained, name).audio)
    np.testing.assert_allclose(kept.samples, original.samples[: len(kept.samples)], atol=2**-14)


def test_true_onsets_lie_where_the_clip_is_loud(trained):
    """Clips of the embedded set are silent outside their events but for faint noise."""
    for name in kept_clips(trained):
        clip = kept_clip(trained, name)
        centres = np.arange(clip.n_real) * clip.frame_s
        inside = np.any([(centres >= e.onset_s) & (centres <= e.offset_s) for e in clip.events], axis=0)
        level = clip.mel[: clip.n_real].max(axis=1)
        assert inside.any()
        assert not inside.all()
        assert level[inside].mean() > level[~inside].mean() + 0.5  # 10 dB


def test_with_masks_the_clip_is_kept_without_its_padding(small_recipe, tiny_data, tmp_path):
    recipe = small_recipe("story-published", "data.mask=true", "iterations=1")
    run = Run(train(recipe, prepare(recipe, tiny_data), tmp_path).path)
    clips = [kept_clip(run, name) for name in kept_clips(run)]
    assert len(clips) == 3
    assert all(len(clip.mel) == clip.n_real for clip in clips)


def test_a_resume_leaves_them_as_they_are_and_a_run_without_gets_them(small_recipe, small_task, trained):
    training = Training(small_recipe("story-published"), small_task)
    first, second = trained.info["clips"][:2]
    kept = trained.path / "clips" / first / METADATA
    facts = json.loads(kept.read_bytes())
    kept.write_text(json.dumps({**facts, "labels": ["as it was"]}))
    (trained.path / "clips" / second / METADATA).unlink()
    log = RunLog(trained.path, resume=True)
    training._recorder(log).close()
    assert kept_clip(trained, first).labels == ("as it was",)
    assert kept_clips(trained) == trained.info["clips"]
    kept.write_text(json.dumps(facts))


def test_sound_that_is_gone_is_said_and_the_rest_is_kept(small_recipe, small_task, tmp_path, monkeypatch):
    def gone(path):
        raise FileNotFoundError(path)

    monkeypatch.setattr(pinned_clips, "read_clip", gone)
    with pytest.warns(UserWarning, match="the sound of pinned clip"):
        run = Run(train(small_recipe("story-plain", "iterations=1"), small_task, tmp_path).path)
    clip = kept_clip(run, kept_clips(run)[0])
    assert clip.audio is None
    assert clip.labels


def test_onsets_that_cannot_be_read_are_said_and_left_out(tmp_path, recwarn):
    assert events_in(tmp_path) == {}
    assert not recwarn
    (tmp_path / "events.csv").write_text("fname,onset_s,offset_s,event_label\na.wav,soon,1,x\n")
    with pytest.warns(UserWarning, match="true onsets are left out"):
        assert events_in(tmp_path) == {}


def test_onsets_are_read_by_clip_in_order(tmp_path):
    rows = "fname,onset_s,offset_s,event_label\na.wav,1,2,x\nb.wav,0,1,y\na.wav,0.5,0.75,z\n"
    (tmp_path / "events.csv").write_text(rows)
    assert events_in(tmp_path) == {"a.wav": (Event(0.5, 0.75, "z"), Event(1, 2, "x")), "b.wav": (Event(0, 1, "y"),)}


def test_a_bin_s_frequency_is_where_its_filter_is_highest(small_task):
    import librosa

    settings = small_task.settings
    filters = librosa.filters.mel(sr=settings.rate_hz, n_fft=settings.n_fft, n_mels=settings.n_mels, norm=None)
    resolution = settings.rate_hz / settings.n_fft
    np.testing.assert_allclose(mel_hz(settings), filters.argmax(axis=1) * resolution, atol=resolution)


def own_loop(path, pinned):
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(12, 2))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with Recorder(model, optimizer, log=path, loss="bce-with-logits", pinned=pinned, classes=["a", "b"]) as recorder:
        loss = model(torch.ones(3, 4, 3)).sum()
        loss.backward()
        optimizer.step()
        recorder.step(loss=loss)
        recorder.evaluation(logits=torch.zeros(2, 2), target=torch.eye(2))
    return Run(path)


def test_a_loop_of_one_s_own_keeps_its_input_without_sound(tmp_path):
    run = own_loop(tmp_path / "own", {"flat": torch.ones(12), "mel": torch.arange(12.0).reshape(4, 3)})
    assert kept_clips(run) == ["mel"]
    clip = kept_clip(run, "mel")
    np.testing.assert_array_equal(clip.mel, np.arange(12).reshape(4, 3))
    assert (clip.frame_s, clip.audio, clip.labels) == (None, None, None)


def test_scores_come_back_by_evaluation_and_class(trained):
    name = trained.info["clips"][0]
    scores = clip_scores(trained, name)
    assert scores.index.tolist() == [0, 3, 6]
    assert scores.columns.tolist() == trained.classes
    assert ((scores > 0) & (scores < 1)).all(axis=None)
    with pytest.raises(UnknownNameError, match="unknown pinned clip 'x'"):
        clip_scores(trained, "x")


def test_scores_that_were_not_recorded_are_nan_and_the_newer_of_two_counts(tmp_path):
    with_scores = RunLog(tmp_path / "mine", {"clips": ["a", "b"], "classes": ["x", "y"]})
    for value in (1.0, 2.0):
        with_scores.append_evaluation({"iteration": 5, "lwlrap": 0.5, "scores.a": np.array([value, 0.0])})
    with_scores.close()
    run = Run(with_scores.path)
    assert clip_scores(run, "a").loc[5].tolist() == [2.0, 0.0]
    assert clip_scores(run, "b").isna().all(axis=None)


@pytest.fixture
def maps(tmp_path):
    log = RunLog(tmp_path / "mine", {"maps": {"m": "sigmoid", "n": "sigmoid"}, "clips": ["one"]})
    for iteration in range(0, 700, 7):
        log.append_maps(iteration, {"m": np.full((4, 2), iteration, dtype=np.float32)}, "one")
    log.append_maps(700, {"n": np.zeros((4, 2), dtype=np.float32)}, "one")
    yield log
    log.close()


@pytest.mark.parametrize("sealed", [False, True])
def test_many_maps_are_read_at_once_as_one_by_one(maps, sealed):
    if sealed:
        maps.close()
    run, asked = Run(maps.path), np.array([0, 7, 8, 350, 693, 700])
    found = reader_of(run.path, "one").read_many(asked, "m")
    assert list(found) == [0, 7, 350, 693]
    for iteration, values in found.items():
        np.testing.assert_array_equal(values, run.attention(iteration, "m", "one"))


def test_maps_of_a_clip_without_any_are_none(maps):
    assert reader_of(maps.path, "two").read_many(np.array([0, 7]), "m") == {}
    assert reader_of(maps.path, None).read_many(np.array([0, 7]), "m") == {}


def test_reading_needs_neither_torch_nor_librosa(trained):
    code = (
        "import sys; from flatline.runs.run import Run; from flatline.runs.kept_clips import *\n"
        "run = Run(sys.argv[1]); name = kept_clips(run)[0]; kept_clip(run, name), clip_scores(run, name)\n"
        "print({'torch', 'librosa', 'dash'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code, str(trained.path)], capture_output=True, text=True)
    assert (done.stdout.strip(), done.stderr) == ("set()", "")


def test_clips_of_a_run_in_a_store_come_back(s3, small_recipe, small_task):
    recipe = small_recipe("story-plain", "iterations=1")
    run = Run(train(recipe, small_task, place(s3), name="mine").path)
    assert kept_clips(run) == run.info["clips"]
    clip = kept_clip(run, run.info["clips"][0])
    assert clip.mel.shape[1] == small_task.settings.n_mels
    assert clip.audio.read_bytes()[:4] == b"RIFF"
