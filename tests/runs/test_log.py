import json
import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from flatline.diagnostics.errors import RunError
from flatline.runs.log import SCHEMA_VERSION, RunLog, claim, read_info
from flatline.runs.run import Run


def fill(log, first=0, last=10):
    for iteration in range(first, last):
        log.append({"iteration": iteration, "epoch": 0, "wall_time": 1.0, "loss": 0.5, "skipped": False})


def test_a_log_has_the_layout_and_the_columns_of_the_contract(tmp_path):
    log = RunLog(tmp_path / "run", {"classes": ["a", "b"], "parameters": ["w"], "clips": ["one.wav"]})
    row = {"iteration": 0, "epoch": 0, "wall_time": 1.0, "loss": 0.5, "learning_rate": 1e-3, "gradient_norm_total": 1.0}
    row |= {"gradient_norm_mean": 1.0, "skipped": False, "gradient_norm": [1.0], "lwlrap": [0.1, 0.2]}
    log.append(row)
    log.append_maps(0, {"head.map": np.ones((2, 2))})
    log.append_maps(0, {"head.map": np.ones((2, 2))}, "one.wav")
    log.append_evaluation({"iteration": 0, "lwlrap": 0.5})
    log.event("skipped-step", 0)
    log.close()
    files = {str(path.relative_to(log.path)) for path in log.path.rglob("*") if path.is_file()} - {".lock"}
    one = "000000000-000000000.parquet"
    folders = ("iterations", "evaluations", "maps/mean", "maps/one.wav")
    assert files == {"run.json", "events.jsonl", *(f"{folder}/{one}" for folder in folders)}
    types = {field.name: str(field.type) for field in pq.read_schema(log.path / "iterations" / one)}
    assert types["iteration"] == "int64"
    assert types["epoch"] == "int32"
    assert types["wall_time"] == "double"
    assert types["skipped"] == "bool"
    assert {types[name] for name in ("loss", "learning_rate", "gradient_norm_total", "gradient_norm_mean")} == {"float"}
    assert {types[name].split(":")[-1] for name in ("gradient_norm", "lwlrap")} == {" float>"}


def test_pandas_reads_the_iterations_at_any_moment(tmp_path):
    log = RunLog(tmp_path / "run")
    assert pd.read_parquet(log.path / "iterations").empty
    for iteration in range(4100):
        fill(log, iteration, iteration + 1)
        if iteration % 500 == 0:
            frame = pd.read_parquet(log.path / "iterations")
            assert frame.get("iteration", pd.Series()).tolist() == list(range(len(frame)))
            assert iteration - len(frame) < 2100
    log.close()
    assert pd.read_parquet(log.path / "iterations").iteration.tolist() == list(range(4100))


def test_an_evaluation_brings_the_iterations_before_it_to_disk(tmp_path):
    log = RunLog(tmp_path / "run")
    fill(log, 0, 7)
    log.append_evaluation({"iteration": 7, "lwlrap": 0.5})
    run = Run(log.path)
    assert (len(run), len(run.evaluations)) == (7, 1)


def test_a_second_writer_is_refused_while_the_first_lives(tmp_path):
    log = RunLog(tmp_path / "run")
    fill(log)
    script = "import sys; from flatline.runs.log import RunLog; RunLog(sys.argv[1], resume=sys.argv[2] == 'resume')"
    for resume in ("new", "resume"):
        second = subprocess.run([sys.executable, "-c", script, log.path, resume], capture_output=True, text=True)
        assert f"is being written by process {os.getpid()}" in second.stderr
    fill(log, 10, 20)
    log.close()
    assert len(Run(log.path)) == 20


def test_a_folder_that_holds_a_run_is_refused_and_left_as_it_is(tmp_path):
    log = RunLog(tmp_path / "run", {"seed": 3})
    fill(log)
    log.close()
    before = (log.path / "run.json").read_bytes()
    with pytest.raises(RunError, match=r"run holds a run already; choose another name"):
        RunLog(log.path)
    assert (log.path / "run.json").read_bytes() == before


def test_a_folder_that_holds_something_else_is_refused_and_left_as_it_is(tmp_path):
    (tmp_path / "thesis.txt").write_text("x")
    with pytest.raises(RunError, match="is there and is no run log; choose another folder"):
        RunLog(tmp_path)
    assert os.listdir(tmp_path) == ["thesis.txt"]


def test_what_a_writer_leaves_that_died_before_its_first_word_is_no_hindrance(tmp_path):
    (tmp_path / ".lock").write_text("process 1 on here")
    (tmp_path / ".run.json").write_text("{ ha")
    RunLog(tmp_path).close()
    assert Run(tmp_path).status == "finished"


def test_a_place_that_cannot_be_a_folder_is_named_with_the_reason(tmp_path):
    (tmp_path / "file").write_text("x")
    for path in (tmp_path / "file", tmp_path / "file" / "run"):
        with pytest.raises(RunError, match=r"file.* cannot be made \(.+\); choose another with log= or --logs"):
            RunLog(path)


def test_resuming_seals_what_was_left_and_keeps_what_run_json_said(tmp_path):
    killed = RunLog(tmp_path / "run", {"seed": 3})
    fill(killed, 0, 60)
    killed._lock.close()  # as a kill does
    started = killed.info["started"]
    log = RunLog(tmp_path / "run", {"device": "cpu"}, resume=True)
    assert pd.read_parquet(log.path / "iterations").iteration.tolist() == list(range(50))
    assert (log.info["seed"], log.info["device"], log.info["started"]) == (3, "cpu", started)
    assert log.info["status"] == "running"
    fill(log, 50, 60)
    log.close()
    assert pd.read_parquet(log.path / "iterations").iteration.tolist() == list(range(60))


def test_a_run_of_a_newer_flatline_is_neither_read_nor_resumed(tmp_path):
    RunLog(tmp_path / "run").close()
    info = {**read_info(tmp_path / "run"), "schema_version": SCHEMA_VERSION + 1}
    (tmp_path / "run" / "run.json").write_text(json.dumps(info))
    for attempt in (Run, lambda path: RunLog(path, resume=True)):
        with pytest.raises(RunError, match=r"has schema version 2, this Flatline reads up to 1; upgrade flatline"):
            attempt(tmp_path / "run")
    (tmp_path / "run" / "run.json").write_text(json.dumps({**info, "schema_version": SCHEMA_VERSION}))
    RunLog(tmp_path / "run", resume=True).close()  # the refused one let the folder go


def test_run_json_and_events_are_strict_json_whatever_they_are_given(tmp_path):
    log = RunLog(tmp_path / "run", {"clip_norm": float("inf"), "norms": np.array([1.0, np.nan]), "root": tmp_path})
    log.event("finding", 3, evidence={"rho": float("nan"), "share": np.float32(0.5)})
    log.close()
    for text in ((log.path / "run.json").read_text(), *(log.path / "events.jsonl").read_text().splitlines()):
        json.loads(text, parse_constant=pytest.fail)
    assert Run(log.path).events()[0]["evidence"] == {"rho": None, "share": 0.5}


def test_an_event_after_a_half_written_one_stands_on_a_line_of_its_own(tmp_path):
    log = RunLog(tmp_path / "run")
    log.event("first", 0)
    log._lock.close()
    with (log.path / "events.jsonl").open("a") as events:
        events.write('{"kind": "half')
    assert [event["kind"] for event in Run(log.path).events()] == ["first"]
    again = RunLog(log.path, resume=True)
    again.event("second", 1)
    again.close()
    assert [event["kind"] for event in Run(log.path).events()] == ["first", "second"]


def test_closing_twice_changes_nothing(tmp_path):
    log = RunLog(tmp_path / "run")
    fill(log)
    log.close("interrupted")
    before = (log.path / "run.json").read_bytes()
    log.close("finished")
    assert (log.path / "run.json").read_bytes() == before


def test_recording_after_closing_is_refused(tmp_path):
    log = RunLog(tmp_path / "run")
    log.close()
    for attempt in (
        lambda: fill(log),
        lambda: log.event("finding", 0),
        lambda: log.append_evaluation({"iteration": 0}),
        lambda: log.append_maps(0, {"a": np.ones((2, 2))}),
        lambda: log.update(seed=3),
    ):
        with pytest.raises(RunError, match="is closed; record before closing it"):
            attempt()


def test_closing_lets_go_of_the_folder_even_if_a_part_cannot_be_written(tmp_path, monkeypatch):
    log = RunLog(tmp_path / "run")
    fill(log)
    log.append_evaluation({"iteration": 10, "lwlrap": 0.5})
    fill(log, 10, 20)

    def full():
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(log._iterations, "close", full)
    with pytest.warns(UserWarning, match=r"could not be closed in order: No space left on device.*10 rows"):
        log.close("failed")
    run = Run(log.path)
    assert run.status == "failed"
    assert len(pd.read_parquet(log.path / "evaluations")) == 1  # the other parts are sealed
    assert len(run) == 10


def test_what_was_kept_of_the_maps_is_said(tmp_path):
    log = RunLog(tmp_path / "run", map_bytes=100_000)
    for iteration in range(300):
        log.append_maps(iteration, {"head.map": np.ones((50, 20))})
    log.close()
    info = read_info(log.path)
    assert info["maps_kept"] == {"mean": {"first": 25, "newest": 25, "between_per_decade": 6}}
    assert info["maps_left_out"]["mean"] == 300 - len(Run(log.path).map_iterations()) > 200


def test_a_claimed_folder_has_the_name_or_the_first_free_number(tmp_path):
    for expected in ("story", "story-2", "story-3"):
        assert claim(tmp_path / "logs", "story", numbered=True) == tmp_path / "logs" / expected
    (tmp_path / "logs" / "story-2").rmdir()
    assert claim(tmp_path / "logs", "story", numbered=True).name == "story-2"


def test_a_name_that_is_taken_or_no_folder_name_is_refused(tmp_path):
    claim(tmp_path, "story", numbered=False)
    with pytest.raises(RunError, match=r"story is there already \(--name story\); choose another name"):
        claim(tmp_path, "story", numbered=False)
    for name in ("../escape", "a/b", "", ".", "..", ".hidden"):
        with pytest.raises(RunError, match="no name for a run's folder; give one without /"):
            claim(tmp_path, name, numbered=False)
    assert [path.name for path in tmp_path.iterdir()] == ["story"]


@pytest.mark.parametrize(
    "name", ["run:1", "lr=0.1,wd=0", "a b", "ü%20#?&", "[x]*", "_under", "-dash", "run.1", "'\"$("]
)
def test_a_run_may_have_any_name_that_a_folder_can(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    log = RunLog(os.path.join("logs", name))
    fill(log)
    log.append_maps(0, {"head.map": np.ones((2, 2))})
    log.close()
    run = Run(name)
    assert (run.name, run.status, len(run.scalars)) == (name, "finished", 10)
    assert list(run.scalars.columns) == ["loss", "skipped"]
    assert len(pd.read_parquet(os.path.join("logs", name, "iterations"))) == 10


def synced(monkeypatch):
    """Names of the files and folders that the disk was waited for, in order, and whether each had its content then."""
    found, real = [], os.fsync

    def fsync(descriptor):
        path = os.readlink(f"/proc/self/fd/{descriptor}")
        found.append(os.path.basename(path) if os.path.getsize(path) else f"empty {path}")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    return found


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="which file a descriptor is can be asked on Linux only")
def test_with_fsync_each_flush_and_each_seal_waits_for_the_disk_file_first_then_folder(tmp_path, monkeypatch):
    names = synced(monkeypatch)
    log = RunLog(tmp_path / "run", fsync=True)
    assert names[:3] == [tmp_path.name, ".run.json", "run"]
    assert {"run", "tail"} <= set(names[3:])  # the folders that were made
    names.clear()
    fill(log, 0, 50)
    assert names == [".000000000-000000049.000000-000000.parquet", "iterations"]
    names.clear()
    log.event("first", 0)
    log.append_evaluation({"iteration": 50, "lwlrap": 0.5})
    log.append_maps(50, {"head.map": np.ones((2, 2))}, "one.wav")
    assert names[:3] == ["events.jsonl", ".000000050-000000050.000000-000000.parquet", "evaluations"]
    assert "maps-one.wav" in names
    names.clear()
    log.close()
    assert names[:2] == [".000000000-000000049.parquet", "iterations"]
    assert names[-2:] == [".run.json", "run"]


def test_without_fsync_no_write_waits_for_the_disk_unless_the_environment_says_so(tmp_path, monkeypatch):
    names = synced(monkeypatch)
    for value, waits in ((None, False), ("0", False), ("", False), ("1", True)):
        if value is not None:
            monkeypatch.setenv("FLATLINE_FSYNC", value)
        names.clear()
        log = RunLog(tmp_path / f"run-{value}")
        fill(log)
        log.close()
        assert bool(names) == waits
    names.clear()
    RunLog(tmp_path / "chosen", fsync=False).close()
    assert names == []
