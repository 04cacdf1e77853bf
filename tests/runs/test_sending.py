"""What is put into a store in which order: a reader that looks between any two requests finds a run without a hole."""

import shutil
import uuid
from contextlib import nullcontext

import numpy as np
import pytest
from flatline.diagnostics.errors import RunError
from flatline.runs.log import RunLog
from flatline.runs.remote_path import RemotePath
from flatline.runs.run import Run
from flatline.runs.sending import Sending, marks, newest
from flatline.runs.store import StoreError
from flatline.runs.superseding import supersede

INFO = {"parameters": ["a"], "classes": [], "maps": {"attention": {}}}


@pytest.fixture
def store():
    return RemotePath(f"memory://{uuid.uuid4().hex}/mine")


class Watched:
    """A file system that lets somebody look after each put and each deletion."""

    def __init__(self, fs, look):
        self.fs, self.look = fs, look

    def __getattr__(self, name):
        act = getattr(self.fs, name)
        if name not in ("put_file", "rm_file", "rm"):
            return act

        def watched(*arguments, **options):
            if name == "rm":  # many with one request, in no order
                for path in arguments[0]:
                    self.fs.rm_file(path)
                    self.look(path)
                return
            act(*arguments, **options)
            self.look(arguments[-1])

        return watched


def record(log, first, last):
    for iteration in range(first, last):
        log.append({"iteration": iteration, "wall_time": 1.0, "loss": iteration / 2, "gradient_norm": np.ones(1)})
    log.flush()


def rows(path):
    if Run(path).last_iteration is None:
        return []
    losses = Run(path).series("loss")
    assert (losses.to_numpy() == losses.index.to_numpy() / 2).all()
    return losses.index.tolist()


def sending(folder, store, look=lambda path: None):
    watched = RemotePath(str(store), Watched(store.fs, look))
    return Sending(folder, watched, {}, lambda: None)


def test_between_any_two_requests_a_reader_finds_each_row_of_a_beginning_once(tmp_path, store):
    log = RunLog(tmp_path / "run", INFO)
    seen = [0]

    def look(path):
        there = rows(store)
        assert there == list(range(len(there))), path
        assert len(there) >= seen[-1], path
        seen.append(len(there))

    sent = sending(tmp_path / "run", store, look)
    for first, last in ((0, 40), (40, 90), (90, 1990), (1990, 4100), (4100, 4150)):
        record(log, first, last)
        sent.send(nullcontext())
        assert rows(store) == list(range(last))
        assert sorted(store.objects()) == sorted(marks(tmp_path / "run"))
    log.close()
    sent.send(nullcontext())
    assert sorted(store.objects()) == sorted(marks(tmp_path / "run"))
    assert not [name for name in store.objects() if name.startswith("tail")]
    assert seen[-1] == 4150


def test_between_any_two_requests_of_a_resume_a_reader_finds_each_row_of_a_beginning_once(tmp_path, store):
    log = RunLog(tmp_path / "run", INFO)
    record(log, 0, 5100)
    log.append_evaluation({"iteration": 5100, "lwlrap": 0.5})
    log.close()
    lengths = []

    def look(path):
        there = rows(store)
        assert there == list(range(len(there))), path
        lengths.append(len(there))

    sent = sending(tmp_path / "run", store)
    sent.send(nullcontext())
    sent.remote.fs.look = look
    assert supersede(tmp_path / "run", 2500, evaluated=False)[0] == 2600
    sent.send(nullcontext())
    assert rows(store) == list(range(2500))
    assert rows(store / "superseded" / "1") == list(range(2500, 5100))
    assert lengths[0] == 5100
    assert lengths == sorted(lengths, reverse=True)
    assert sorted(store.objects()) == sorted(marks(tmp_path / "run"))


def test_weights_come_after_their_other_half_and_go_before_it(tmp_path, store):
    asked = []
    sent = sending(tmp_path, store, lambda path: asked.append(path.rpartition("/")[2]))
    (tmp_path / "checkpoints").mkdir()
    pair = ["000000001.pt", "000000001.safetensors"]
    for name in pair:
        (tmp_path / "checkpoints" / name).write_bytes(b"x")
    sent.send(nullcontext())
    shutil.rmtree(tmp_path / "checkpoints")
    sent.send(nullcontext())
    assert asked == [*pair, *reversed(pair)]


def test_rows_are_there_before_what_tells_of_them_and_run_json_says_last_that_it_ended(tmp_path, store):
    log = RunLog(tmp_path / "run", INFO)
    asked = []
    sent = sending(tmp_path / "run", store, lambda path: asked.append(path.partition("/mine/")[2]))
    sent.send(nullcontext())
    assert asked == ["run.json"]
    record(log, 0, 10)
    log.append_evaluation({"iteration": 10, "lwlrap": 0.5})
    log.event("finding", 3)
    (tmp_path / "run" / "checkpoints").mkdir()
    (tmp_path / "run" / "checkpoints" / "000000010.pt").write_bytes(b"x")
    log.close()
    asked.clear()
    sent.send(nullcontext())
    assert [name.partition("/")[0] for name in asked] == [
        "iterations",
        "evaluations",
        "events.jsonl",
        "checkpoints",
        "run.json",
    ]


def test_a_file_that_is_sealed_while_it_is_to_be_put_makes_no_hole(tmp_path, store):
    log = RunLog(tmp_path / "run", INFO)
    record(log, 0, 100)
    record(log, 100, 150)
    left = [lambda: log.close()]

    def look(path):
        if "tail" in path and left:
            left.pop()()  # every file of the tail but this one is gone before its turn
        there = rows(store)
        assert there == list(range(len(there)))

    assert sending(tmp_path / "run", store, look).send(nullcontext()) == 149
    assert not left
    assert rows(store) == list(range(150))
    assert Run(store).status == "finished"


def test_what_others_put_there_stays(tmp_path, store):
    log = RunLog(tmp_path / "run", INFO)
    sent = sending(tmp_path / "run", store)
    sent.send(nullcontext())
    (store / "attributions/a.npz").write_bytes(b"x")
    sent.known["attributions/a.npz"] = None  # as a run has it that was found in the store
    log.close()
    sent.send(nullcontext())
    assert (store / "attributions/a.npz").is_file()


def test_a_bucket_that_is_gone_is_no_file_that_was_sealed(tmp_path, store, monkeypatch):
    RunLog(tmp_path / "run", INFO).close()
    sent = sending(tmp_path / "run", store)

    def put_file(*_):
        raise FileNotFoundError("The specified bucket does not exist")

    monkeypatch.setattr(sent.remote.fs, "put_file", put_file, raising=False)
    with pytest.raises(StoreError, match="The specified bucket does not exist"):
        sent.send(nullcontext())
    assert issubclass(StoreError, RunError)


def test_the_newest_iteration_is_told_by_names_alone():
    names = ["iterations/000000000-000000009.parquet", "tail/iterations/000000010-000000059.000000-000000.parquet"]
    assert newest(names) == 59
    assert newest(names[:1]) == 9
    assert newest(["maps/mean/000000000-000000099.parquet", "run.json"]) == -1
