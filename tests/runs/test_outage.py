"""A disk that is full or gone: training goes on, it is said once, and recording resumes where it can."""

import errno
import os
import shutil
import subprocess
import warnings

import numpy as np
import pandas as pd
import pytest
from flatline.diagnostics.errors import RunError
from flatline.runs import event_log, jsons, outage, segments, writer
from flatline.runs.log import RunLog
from flatline.runs.run import Run

NORMS = np.random.default_rng(0).random((1000, 200), dtype=np.float32)

FAULTS = (errno.ENOSPC, errno.EACCES, errno.EROFS, errno.EIO)


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 1 MB of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"no file system of its own can be mounted here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.fixture
def at_once(monkeypatch):
    """Writing is tried again at each call."""
    monkeypatch.setattr(outage, "RETRY_S", 0.0)


def fill(log, first, last):
    for iteration in range(first, last):
        log.append({"iteration": iteration, "loss": 0.5, "gradient_norm": NORMS[iteration % 1000]})


def fill_disk(folder):
    with (folder / "ballast").open("wb", buffering=0) as file:
        while os.statvfs(folder).f_bavail:
            file.write(bytes(4096))


class Disk:
    """A disk that fails with an error number while it has one."""

    def __init__(self, monkeypatch):
        self.fault = None
        for module, name in ((segments.pq, "write_table"), (jsons.os, "replace"), (event_log.os, "write")):
            monkeypatch.setattr(module, name, self._failing(getattr(module, name)))

    def _failing(self, real):
        def call(*args, **kwargs):
            if self.fault is not None:
                raise OSError(self.fault, os.strerror(self.fault))
            return real(*args, **kwargs)

        return call


@pytest.fixture
def disk(monkeypatch):
    return Disk(monkeypatch)


def said(caught):
    return [str(warning.message) for warning in caught if issubclass(warning.category, UserWarning)]


def use_everything(log, first):
    fill(log, first, first + 120)
    log.append_maps(first, {"head.map": np.ones((4, 3))})
    log.append_maps(first, {"head.map": np.ones((4, 3))}, "one.wav")
    log.append_evaluation({"iteration": first + 120, "lwlrap": 0.5})
    log.event("skipped-step", first)
    log.update(device=f"cpu:{first}")
    log.flush()


def test_a_full_disk_stops_the_recording_and_not_the_training_and_nothing_is_lost(small_disk, at_once):
    log = RunLog(small_disk / "run")
    fill(log, 0, 100)
    fill_disk(small_disk)
    with pytest.warns(UserWarning, match="stopped|goes on") as caught:
        use_everything(log, 100)
    (text,) = said(caught)
    for part in (f"into {log.path} stopped: No space left on device", "Training goes on", "free some space there"):
        assert part in text
    assert log.stopped == "No space left on device"
    assert len(Run(log.path)) == 100
    (small_disk / "ballast").unlink()
    with pytest.warns(UserWarning, match=r"goes on; nothing was lost") as caught:
        fill(log, 220, 310)
    assert len(caught) == 1
    assert log.stopped == ""
    log.close()
    assert pd.read_parquet(log.path / "iterations").iteration.tolist() == list(range(310))
    run = Run(log.path)
    norms = np.stack(pd.read_parquet(log.path / "iterations").gradient_norm)
    assert np.array_equal(norms, NORMS[:310])
    assert run.evaluations.index.tolist() == [220]
    assert run.map_iterations().tolist() == run.map_iterations("one.wav").tolist() == [100]
    assert [event["kind"] for event in run.events()] == ["skipped-step"]
    assert (run.info["device"], run.status) == ("cpu:100", "finished")


def test_a_log_that_fills_its_disk_itself_is_whole_as_far_as_it_goes(small_disk, at_once):
    log = RunLog(small_disk / "run")
    with pytest.warns(UserWarning, match="No space left on device"):
        fill(log, 0, 3000)
    rows = len(Run(log.path))
    assert 300 < rows < 3000
    with pytest.warns(UserWarning, match=rf"could not be closed in order.*{3000 - rows:,} rows of iterations are lost"):
        log.close()
    run = Run(log.path)
    assert run.scalars.index.tolist() == list(range(rows))
    for event in run.events():  # where the last block took it
        assert (event["kind"], event["iteration"], event["rows"]) == ("gap", rows, 3000 - rows)
    assert not list(log.path.rglob(".*.parquet"))


def test_a_new_log_on_a_full_disk_is_refused_with_what_to_do(small_disk):
    fill_disk(small_disk)
    with pytest.raises(RunError, match=r"run.* \(No space left on device.*\); (free some space|choose another)"):
        RunLog(small_disk / "run")


@pytest.mark.parametrize("fault", FAULTS, ids=errno.errorcode.get)
def test_no_call_raises_while_the_disk_fails_and_all_of_it_is_there_later(tmp_path, disk, at_once, fault):
    log = RunLog(tmp_path / "run")
    use_everything(log, 0)
    disk.fault = fault
    with pytest.warns(UserWarning, match="stopped|goes on") as caught:
        use_everything(log, 200)
    assert len(said(caught)) == 1
    assert os.strerror(fault) in said(caught)[0]
    disk.fault = None
    with pytest.warns(UserWarning, match="goes on; nothing was lost"):
        use_everything(log, 400)
    log.close()
    run = Run(log.path)
    assert run.scalars.index.tolist() == [*range(120), *range(200, 320), *range(400, 520)]
    assert run.evaluations.index.tolist() == [120, 320, 520]
    assert run.map_iterations().tolist() == run.map_iterations("one.wav").tolist() == [0, 200, 400]
    assert [event["iteration"] for event in run.events()] == [0, 200, 400]
    assert (run.info["device"], run.status) == ("cpu:400", "finished")


def test_what_did_not_fit_into_memory_is_a_gap_that_is_marked(tmp_path, disk, at_once, monkeypatch):
    monkeypatch.setattr(writer, "MOST_WAITING", 100_000)
    log = RunLog(tmp_path / "run")
    fill(log, 0, 100)
    disk.fault = errno.ENOSPC
    with pytest.warns(UserWarning, match="stopped|goes on"):
        fill(log, 100, 1000)
    assert 100 < log._iterations.waiting < 200
    disk.fault = None
    with pytest.warns(UserWarning, match="stopped|goes on") as caught:
        fill(log, 1000, 1001)
    log.close()
    kept = pd.read_parquet(log.path / "iterations").iteration.tolist()
    missing = sorted(set(range(1001)) - set(kept))
    assert kept == sorted(set(kept))
    assert missing == list(range(missing[0], 1001))
    (gap,) = Run(log.path).events()
    told = {name: gap[name] for name in ("kind", "iteration", "rows", "last", "table", "why")}
    assert told == {
        "kind": "gap",
        "iteration": missing[0],
        "rows": len(missing),
        "last": 1000,
        "table": "iterations",
        "why": "No space left on device",
    }
    assert said(caught) == [
        f"the recording into {log.path} goes on; {len(missing)} rows of iterations from {missing[0]} are missing"
    ]


def test_the_disk_is_tried_every_few_seconds_only(tmp_path, disk, monkeypatch):
    log = RunLog(tmp_path / "run")
    disk.fault, tries = errno.ENOSPC, []
    now = outage.time.monotonic()
    monkeypatch.setattr(outage.time, "monotonic", lambda: now)
    monkeypatch.setattr(log._outage, "_write_all", lambda: tries.append(now) or "")
    with pytest.warns(UserWarning, match="stopped|goes on"):
        fill(log, 0, 1000)
    assert tries == []
    now += outage.RETRY_S
    with pytest.warns(UserWarning, match="goes on"):
        fill(log, 1000, 1001)
    assert len(tries) == 1


def test_misuse_is_an_error_while_the_disk_fails_too(tmp_path, disk):
    log = RunLog(tmp_path / "run")
    disk.fault = errno.EIO
    with pytest.warns(UserWarning, match="see to the disk"):
        fill(log, 0, 60)
    with pytest.raises(RunError, match="iteration 3 came after iteration 59"):
        fill(log, 3, 4)
    with pytest.raises(RunError, match="column 'loss'"):
        log.append({"iteration": 60, "loss": "much"})


def test_warnings_that_are_errors_do_not_end_the_training(tmp_path, disk, capsys):
    log = RunLog(tmp_path / "run")
    disk.fault = errno.ENOSPC
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        warnings.showwarning = lambda message, *rest: print(message)
        fill(log, 0, 60)
        log.close()
    assert [line.split(": ")[0].split()[-1] for line in capsys.readouterr().out.splitlines()] == ["stopped", "order"]


def test_a_log_that_is_closed_on_a_failing_disk_says_what_is_lost_and_lets_go(tmp_path, disk):
    log = RunLog(tmp_path / "run")
    fill(log, 0, 70)
    disk.fault = errno.ENOSPC
    with pytest.warns(UserWarning, match=r"in order: No space.* 20 rows of iterations are lost.*free some space"):
        log.close()
    disk.fault = None
    RunLog(log.path, resume=True).close()
    assert Run(log.path).scalars.index.tolist() == list(range(50))


def test_an_event_that_was_half_written_leaves_nothing(tmp_path, at_once, monkeypatch):
    log = RunLog(tmp_path / "run")
    log.event("first", 0)
    before = (log.path / "events.jsonl").read_bytes()
    real = os.write

    def half(descriptor, content):
        if len(content) < 10:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(descriptor, content[:-5])

    with monkeypatch.context() as patch:
        patch.setattr(event_log.os, "write", half)
        with pytest.warns(UserWarning, match="stopped|goes on"):
            log.event("second", 1)
        assert (log.path / "events.jsonl").read_bytes() == before
    with pytest.warns(UserWarning, match="stopped|goes on"):
        log.event("third", 2)
    assert [event["kind"] for event in Run(log.path).events()] == ["first", "second", "third"]


def test_events_beyond_the_bound_are_counted(tmp_path, monkeypatch):
    monkeypatch.setattr(event_log, "MOST_WAITING", 3)
    events = event_log.EventLog(tmp_path / "events.jsonl")
    for iteration in range(5):
        events.hold("skipped-step", iteration)
    events.flush()
    kinds = [line.split(b'"')[3] for line in (tmp_path / "events.jsonl").read_bytes().splitlines()]
    assert kinds == [b"skipped-step"] * 3 + [b"gap"]


def test_a_folder_that_was_deleted_stays_deleted_and_another_run_in_its_place_is_left_alone(tmp_path, at_once):
    log = RunLog(tmp_path / "run")
    fill(log, 0, 100)
    shutil.rmtree(log.path)
    with pytest.warns(UserWarning, match=r"No such file or directory.*put the folder back") as caught:
        use_everything(log, 100)
    assert not log.path.exists()
    other = RunLog(tmp_path / "run")
    fill(other, 0, 10)
    use_everything(log, 300)
    assert len(said(caught)) == 1
    with pytest.warns(UserWarning, match="another run stands in its place"):
        log.close()
    other.close()
    assert Run(other.path).scalars.index.tolist() == list(range(10))
    assert sorted(path.name for path in other.path.glob("maps/*")) == []


def test_a_folder_that_was_moved_away_and_back_goes_on(tmp_path, at_once):
    log = RunLog(tmp_path / "run")
    fill(log, 0, 100)
    log.path.rename(tmp_path / "away")
    with pytest.warns(UserWarning, match="stopped|goes on"):
        fill(log, 100, 200)
    (tmp_path / "away").rename(log.path)
    with pytest.warns(UserWarning, match="nothing was lost"):
        fill(log, 200, 201)
    log.close()
    assert Run(log.path).scalars.index.tolist() == list(range(201))


def test_rows_that_somebody_deleted_from_the_tail_are_a_gap(tmp_path, at_once):
    log = RunLog(tmp_path / "run")
    fill(log, 0, 100)
    shutil.rmtree(log.path / "tail")
    with pytest.warns(UserWarning, match="stopped|goes on") as caught:
        fill(log, 100, 200)
    assert ["stopped" in said(caught)[0], "100 rows of iterations from 0 are missing" in said(caught)[1]] == [True] * 2
    log.close()
    assert Run(log.path).scalars.index.tolist() == list(range(100, 200))
    assert [(event["iteration"], event["rows"]) for event in Run(log.path).events()] == [(0, 100)]


def test_the_first_maps_of_a_clip_on_a_failing_disk_wait_too(tmp_path, at_once, monkeypatch):
    log = RunLog(tmp_path / "run")
    with monkeypatch.context() as patch:
        patch.setattr(writer.Path, "mkdir", lambda *args, **options: (_ for _ in ()).throw(OSError(28, "No space")))
        with pytest.warns(UserWarning, match="No space"):
            log.append_maps(0, {"head.map": np.ones((4, 3))}, "one.wav")
    with pytest.warns(UserWarning, match="nothing was lost"):
        log.append_maps(1, {"head.map": np.ones((4, 3))}, "one.wav")
    log.close()
    assert Run(log.path).map_iterations("one.wav").tolist() == [0, 1]
