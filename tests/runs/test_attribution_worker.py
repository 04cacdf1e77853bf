"""The process that computes attributions for a page: what it answers, what it keeps, how it is told to stop."""

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from flatline.runs import attributing, attribution_clips
from flatline.runs.attributed_clips import attributed_clip, clips_beside
from flatline.runs.attribution_limit import drop_oldest, is_passing, mark_as_passing
from flatline.runs.attribution_store import FOLDER, all_stored, key_of, write_stored
from flatline.runs.attribution_worker import Worker
from flatline.runs.kept_clips import kept_clips
from flatline.runs.run import Run
from flatline.runs.train import train


@pytest.fixture(scope="module")
def finished(small_recipe, small_task, tmp_path_factory):
    return train(small_recipe("story-published", "ablate=false"), small_task, tmp_path_factory.mktemp("logs")).path


@pytest.fixture
def run(finished, tmp_path):
    return Run(shutil.copytree(finished, tmp_path / "run"))


@pytest.fixture
def worker():
    return Worker(io.StringIO())


def asked(from_run, **changed):
    run, clips = str(from_run.path), kept_clips(from_run)
    request = {"id": 1, "run": run, "iteration": 6, "clip": clips[0], "class": from_run.classes[0]}
    return {**request, "methods": ["saliency"], "baseline": "silence", **changed}


def answers(worker, *requests):
    worker._out.seek(0)
    worker._out.truncate()
    worker.serve([json.dumps(request) for request in requests])
    return [json.loads(line) for line in worker._out.getvalue().splitlines()]


def test_it_says_how_far_it_is_and_what_it_came_to_and_the_run_keeps_it(run, worker):
    said = answers(worker, asked(run, methods=["saliency", "input-x-gradient"]))
    assert [(one["done"], one["of"]) for one in said[:-1]] == [(0, 2), (1, 2), (2, 2)]
    assert said[-1] == {"id": 1, "class": run.classes[0], "refused": {}}
    assert [one.method for one in all_stored(run.path)] == ["input-x-gradient", "saliency"]
    assert all(is_passing(run.path, one.file.stem) for one in all_stored(run.path))


def test_what_is_kept_is_not_computed_again_nor_marked(run, worker, monkeypatch):
    attributing.attribute_clip(run, kept_clips(run)[0], run.classes[0], ["saliency"], iteration=6)
    monkeypatch.setattr(attributing.Attributor, "attribute", None)
    assert answers(worker, asked(run))[-1]["class"] == run.classes[0]
    (one,) = all_stored(run.path)
    assert not is_passing(run.path, one.file.stem)


def test_a_method_that_the_network_does_not_allow_leaves_the_others_alone(run, worker):
    said = answers(worker, asked(run, methods=["deep-lift", "saliency"]))[-1]
    assert list(said["refused"]) == ["deep-lift"]
    assert "gates" in said["refused"]["deep-lift"]
    assert [one.method for one in all_stored(run.path)] == ["saliency"]


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"class": "nix"}, "unknown class 'nix'"),
        ({"methods": ["nix"]}, "unknown method 'nix'"),
        ({"baseline": "nix"}, "unknown baseline 'nix'"),
        ({"iteration": 5}, "no checkpoint of iteration 5"),
        ({"clip": "nix.wav"}, "no clip is called 'nix.wav'"),
        ({"run": "/nowhere/run"}, "/nowhere/run"),
    ],
)
def test_what_is_wrong_is_said_and_the_next_one_answered(run, worker, changed, why):
    said = answers(worker, asked(run, **changed), asked(run, id=2))
    assert why in next(one for one in said if "error" in one)["error"]
    assert said[-1] == {"id": 2, "class": run.classes[0], "refused": {}}


def test_no_file_is_opened_that_is_no_clip_of_the_run_or_its_data(run, worker, tiny_data, tmp_path, monkeypatch):
    outside = shutil.copy(next((tiny_data / "train_curated").iterdir()), tmp_path / "mine.wav")
    monkeypatch.chdir(tmp_path)
    for name in (str(outside), "mine.wav", "../mine.wav", "/etc/passwd", "."):
        (said,) = [one for one in answers(worker, asked(run, clip=name)) if "done" not in one]
        assert "no clip is called" in said["error"]
    assert all_stored(run.path) == []


def test_a_clip_of_the_data_is_kept_beside_to_be_seen_and_heard(run, worker, tiny_data):
    pinned = kept_clips(run)
    name = next(path.name for path in sorted((tiny_data / "test").iterdir()) if path.name not in pinned)
    said = answers(worker, asked(run, clip=name, **{"class": None}))[-1]
    kept = attributed_clip(run, name)
    assert clips_beside(run.path) == [name]
    assert said["class"] in kept.labels
    (stored,) = all_stored(run.path)
    np.testing.assert_array_equal(stored.arrays()["mel"], kept.mel[: kept.n_real])
    assert kept.audio.is_file()
    assert len(kept.hz) == kept.mel.shape[1]


def test_no_class_is_the_clip_s_label_and_top_the_best_scored(run, worker):
    labels = attributed_clip(run, kept_clips(run)[0]).labels
    assert answers(worker, asked(run, **{"class": None}))[-1]["class"] == labels[0]
    asker = attributing.Attributor(run, 6)
    best = asker.classes("top", asker.clip(kept_clips(run)[0]))
    assert [answers(worker, asked(run, **{"class": "top"}))[-1]["class"]] == best


def test_a_network_that_is_warm_is_not_built_again_but_for_other_weights(run, worker, monkeypatch):
    built, whole = [], attributing.build_network

    def counted(*given):
        built.append(given)
        return whole(*given)

    monkeypatch.setattr(attributing, "build_network", counted)
    assert answers(worker, {"id": 1, "run": str(run.path), "iteration": 6}) == [{"id": 1}]
    answers(worker, asked(run), asked(run, methods=["input-x-gradient"]))
    assert len(built) == 1
    answers(worker, asked(run, iteration=3))
    assert len(built) == 2


def test_a_cancel_ends_the_request_under_way_and_keeps_nothing_of_it(run, worker, monkeypatch):
    whole = attributing.Attributor.attribute

    def cancelled(self, *given, **more):
        worker.cancel()
        return whole(self, *given, **more)

    with monkeypatch.context() as patch:
        patch.setattr(attributing.Attributor, "attribute", cancelled)
        assert answers(worker, asked(run))[-1] == {"id": 1, "cancelled": True}
    assert all_stored(run.path) == []
    worker.cancel()  # of nothing
    assert answers(worker, asked(run))[-1]["class"] == run.classes[0]


def test_a_cancel_while_it_is_kept_comes_after(run, worker, monkeypatch):
    whole = attributing.Attributor.keep

    def cancelled(self, *given):
        worker.cancel()
        return whole(self, *given)

    monkeypatch.setattr(attributing.Attributor, "keep", cancelled)
    assert answers(worker, asked(run))[-1] == {"id": 1, "cancelled": True}
    (one,) = all_stored(run.path)
    assert one.arrays()["attribution"].shape == one.arrays()["mel"].shape


def test_a_process_that_ends_before_it_is_kept_leaves_none_that_never_goes(run, worker, monkeypatch):
    seen = []

    def killed(run_path, key, *_):
        seen.append(is_passing(run_path, key))
        raise SystemExit

    monkeypatch.setattr(attributing, "write_stored", killed)
    with pytest.raises(SystemExit):
        answers(worker, asked(run))
    assert seen == [True]


def test_a_cancel_while_the_data_set_is_read_is_at_once_and_keeps_nothing(run, worker, tiny_data, monkeypatch):
    name = next(path.name for path in sorted((tiny_data / "test").iterdir()) if path.name not in kept_clips(run))
    whole, read = attribution_clips.clip_in_data, []

    def slow(*given):
        read.append(given)
        if len(read) == 2:  # the first finds the clip, the second what is shown of it
            worker.cancel()
        return whole(*given)

    monkeypatch.setattr(attribution_clips, "clip_in_data", slow)
    assert answers(worker, asked(run, clip=name))[-1] == {"id": 1, "cancelled": True}
    assert len(read) == 2
    assert (all_stored(run.path), clips_beside(run.path)) == ([], [])


def kept_at(run, clip, number, passing):
    mel = np.full((2, 3), float(number))
    facts = {"clip": clip, "class_name": "a", "method": "saliency", "output": 1.0, "baseline_output": 0.0, "delta": 0.0}
    facts |= {"steps": None, "converged": None, "informative": True, "why": "", "of": "logits", "iteration": 6}
    facts |= {"frame_s": 0.1, "checks": {}, "options": {}, "seconds": 1.0}
    key = key_of({"number": number}, mel)
    write_stored(run.path, key, facts, {"attribution": mel, "mel": mel})
    if passing:
        mark_as_passing(run.path, key)
        os.utime(run.path / FOLDER / f"{key}.page", (number, number))
    return key


def test_only_the_oldest_that_a_page_made_go(run):
    keys = [kept_at(run, "a.wav", number, passing=number != 0) for number in range(6)]
    assert drop_oldest(run.path, most=3) == 2
    assert {one.file.stem for one in all_stored(run.path)} == {keys[0], *keys[3:]}
    assert sorted(path.suffix for path in (run.path / FOLDER).iterdir()).count(".page") == 3
    assert drop_oldest(run.path, most=3) == 0


def test_a_clip_goes_with_its_last_attribution(run, worker, tiny_data):
    name = next(path.name for path in sorted((tiny_data / "test").iterdir()) if path.name not in kept_clips(run))
    answers(worker, asked(run, clip=name))
    kept_at(run, name, 2**40, passing=True)
    drop_oldest(run.path, most=1)
    assert clips_beside(run.path) == [name]
    drop_oldest(run.path, most=0)
    assert clips_beside(run.path) == []


def test_as_a_process_it_is_stopped_by_a_signal_and_ends_with_its_stdin(run):
    child = subprocess.Popen(
        [sys.executable, "-P", "-m", "flatline.runs.attribution_worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        for request in (asked(run, methods=["occlusion"] * 400), asked(run, id=2)):
            child.stdin.write(json.dumps(request) + "\n")
            child.stdin.flush()
        assert json.loads(child.stdout.readline()) == {"id": 1, "done": 0, "of": 400}
        assert json.loads(child.stdout.readline())["done"] == 1
        since = time.monotonic()
        child.send_signal(signal.SIGINT)
        while "done" in (said := json.loads(child.stdout.readline())):
            pass
        assert said == {"id": 1, "cancelled": True}
        assert time.monotonic() - since < 20
        assert json.loads(child.stdout.readline())["id"] == 2
    finally:
        child.stdin.close()
        assert child.wait(30) == 0
        child.stdout.close()
