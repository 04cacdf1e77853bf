import json
import os
import signal
import subprocess
import sys
import threading
import time

import pytest
from flatline.dashboard import judging
from flatline.dashboard.judging import Judge
from flatline.dashboard.judging_process import JudgingProcess
from flatline.diagnostics.diagnosis import diagnose
from flatline.runs.log import RunLog
from flatline.runs.run import Run
from flatline.runs.summary import stored_summary, summary_mark


def until(holds, seconds=60):
    ended = time.monotonic() + seconds
    while time.monotonic() < ended:
        if value := holds():
            return value
        time.sleep(0.02)
    raise AssertionError("it did not come")


@pytest.fixture
def runs(simulated, tmp_path):
    simulated.collapsed(tmp_path / "dead")
    simulated.healthy(tmp_path / "well")
    return tmp_path


@pytest.fixture
def judge(runs):
    judge = Judge(runs)
    yield judge
    judge.close()


class FakeProcess:
    """Stands for the process: answers a line a path once it is let go on, and remembers what it was asked."""

    is_there = False

    def __init__(self):
        self.asked, self.go = [], threading.Event()

    def line(self, path):
        self.asked.append(path.rpartition("/")[2])
        self.go.wait(10)
        return json.dumps({"path": path, "mark": summary_mark(judging.place(path)), "error": "of the test"}) + "\n"

    def end(self):
        pass

    def close(self):
        self.go.set()


@pytest.fixture
def fake(judge):
    judge._process = FakeProcess()
    return judge._process


def test_a_run_is_judged_by_and_by_and_nobody_waits(judge, runs):
    begun = time.monotonic()
    assert judge.summary(runs / "dead") is None
    assert time.monotonic() - begun < 0.5
    summary = until(lambda: judge.summary("dead"))
    expected = diagnose(Run(runs / "dead"))
    assert (summary["diagnosis"]["verdict"], summary["diagnosis"]["cause"]) == (expected.verdict, expected.cause)
    assert summary["is_current"] is True
    assert judge.version() == 1
    assert stored_summary(runs / "dead") is not None


def test_what_is_stored_is_said_at_once(judge, runs):
    judge.summary("dead")
    until(judge.version)
    fresh = Judge(runs)
    assert fresh.summary("dead") is not None
    assert fresh.waiting() == 0
    fresh.close()


def test_rows_hold_what_a_table_shows(judge):
    dead, well = until(lambda: judge.row("dead")), until(lambda: judge.row("well"))
    assert dead["verdict"] == "collapsed"
    assert dead["cause"] == "broken-objective"
    assert dead["since"] is not None
    assert 30 <= len(dead["gradient"]) <= 40
    assert (well["cause"], well["since"]) == (None, None)
    assert judge.row("dead") is judge.row("dead")


def test_a_run_that_cannot_be_judged_says_why_and_is_left_alone(judge, runs):
    (runs / "broken" / "iterations").mkdir(parents=True)
    (runs / "broken" / "run.json").write_text("{ half", encoding="utf-8")
    summary = until(lambda: judge.summary("broken"))
    assert "run.json cannot be read" in summary["error"]
    assert judge.row("broken") == {"error": summary["error"]}
    assert judge.waiting() == 0
    assert judge.version() == 1


def test_what_somebody_looks_at_comes_before_the_bulk(judge, fake):
    for name in ("a", "b", "c"):
        judge.row(name)
    until(lambda: fake.asked)
    judge.summary("c")
    judge.summary("d")
    assert judge.waiting() == 4
    fake.go.set()
    until(lambda: judge.version() == 4)
    assert fake.asked == ["a", "c", "d", "b"]


def test_a_run_is_asked_for_once_however_often_a_page_asks(judge, fake):
    for _ in range(20):
        judge.summary("dead")
        judge.row("dead")
    fake.go.set()
    until(lambda: judge.version() == 1)
    assert fake.asked == ["dead"]


def test_verdicts_of_folders_that_cannot_be_written_are_kept_in_memory(judge, runs, monkeypatch):
    monkeypatch.setattr(judging, "stored_summary", lambda path: None)
    judge.summary("dead")
    assert until(lambda: judge.summary("dead"))["diagnosis"]["verdict"] == "collapsed"


def test_memory_is_bounded(judge, fake, monkeypatch):
    monkeypatch.setattr(judging, "MOST_KEPT", 2)
    fake.go.set()
    for name in ("a", "b", "c"):
        judge.summary(name)
    until(lambda: judge.version() == 3)
    assert len(judge._known) == 2


def test_a_running_run_is_judged_again_after_a_pause_and_shown_meanwhile(simulated, judge, runs, monkeypatch):
    log = simulated.running(runs / "live")
    first = until(lambda: judge.summary("live"))
    assert first["iterations"] == 120
    assert not (runs / "live" / "summary.json").exists()
    simulated.write(log, 120, 150)
    stale = judge.summary("live")
    assert (stale["iterations"], stale["is_current"]) == (120, False)
    assert judge.waiting() == 0
    monkeypatch.setattr(judging, "LEAST_PAUSE_S", 0.0)
    monkeypatch.setattr(judging, "PAUSE_FACTOR", 0.0)
    assert until(lambda: (found := judge.summary("live"))["is_current"] and found)["iterations"] == 150
    log.close()


def test_the_pause_grows_with_what_judging_takes(judge):
    run = judge.logs / "live"
    log = RunLog(run, {"parameters": [], "classes": []})
    log.append({"iteration": 0, "epoch": 0, "wall_time": 0.0, "loss": 1.0})
    known = judging._Known("older", "{}", seconds=3.0, at=time.monotonic() - 30)
    assert not judge._is_due(run, known, summary_mark(run))
    assert judge._is_due(run, judging._Known("older", "{}", 3.0, time.monotonic() - 61), summary_mark(run))
    assert judge._is_due(run, judging._Known("older", "{}", 0.1, time.monotonic() - 6), summary_mark(run))
    log.close()
    assert judge._is_due(run, known, summary_mark(run))


def test_a_run_in_a_store_is_judged_here(judge, simulated, runs):
    fsspec = pytest.importorskip("fsspec")
    store = fsspec.filesystem("memory")
    store.put(str(runs / "dead"), "/judged/dead", recursive=True)
    summary = until(lambda: judge.summary("memory://judged/dead"))
    assert summary["diagnosis"]["verdict"] == "collapsed"
    assert judge._process.pid is None


def test_a_process_that_dies_over_a_run_is_no_end(judge, runs):
    until(lambda: judge.summary("dead"))
    pid = judge._process.pid
    os.kill(pid, signal.SIGKILL)
    until(lambda: not _is_alive(pid))
    assert until(lambda: judge.summary("well"))["diagnosis"]["verdict"] == "healthy"


def test_a_process_that_says_nothing_of_a_run_is_told(runs, monkeypatch):
    process = JudgingProcess()
    started = subprocess.Popen
    command = [sys.executable, "-c", "input()"]
    monkeypatch.setattr(subprocess, "Popen", lambda _, **options: started(command, **options))
    with pytest.raises(RuntimeError, match=r"ended over /nowhere/mine .*flatline diagnose /nowhere/mine"):
        process.line("/nowhere/mine")
    assert not process.is_there


def test_the_process_ends_when_there_is_nothing_left_to_judge(judge, monkeypatch):
    monkeypatch.setattr(judging, "IDLE_S", 0.1)
    judge.summary("dead")
    until(judge.version)
    until(lambda: judge._process.pid is None)
    assert until(lambda: judge.summary("well"))


def test_closing_ends_the_process_at_once(judge, runs):
    judge.summary("dead")
    pid = until(lambda: judge._process.pid)
    judge.close()
    assert not judge._thread.is_alive()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    judge.summary("well")
    assert judge.waiting() == 0


def test_the_process_ends_with_the_server(runs):
    code = (
        "import sys, time; from pathlib import Path; from flatline.dashboard.judging import Judge\n"
        "judge = Judge(Path(sys.argv[1])); judge.summary('dead')\n"
        "while judge.version() == 0: time.sleep(.02)\n"
        "print(judge._process.pid, flush=True); time.sleep(60)"
    )
    server = subprocess.Popen([sys.executable, "-c", code, str(runs)], stdout=subprocess.PIPE, text=True)
    pid = int(server.stdout.readline())
    server.kill()
    server.wait()
    until(lambda: not _is_alive(pid), seconds=10)


def _is_alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_run_that_could_not_be_judged_is_judged_again_after_a_while(simulated, tmp_path):
    simulated.nearly_nothing(tmp_path / "run")
    judge, path = Judge(tmp_path), tmp_path / "run"
    mark = summary_mark(path)
    for age, is_due in ((1, False), (judging.FAILED_PAUSE_S + 1, True)):
        known = judging._Known(mark, "{}", 0.1, time.monotonic() - age, failed=True)
        assert judge._is_due(path, known, mark) is is_due
    judge.close()


def test_a_file_of_the_users_own_does_not_stand_in_for_pythons(simulated, tmp_path, monkeypatch):
    simulated.collapsed(tmp_path / "run")
    (tmp_path / "random.py").write_text("raise RuntimeError('not the one you want')")
    monkeypatch.chdir(tmp_path)
    judge = Judge(tmp_path)
    until(lambda: judge.summary(tmp_path / "run") is not None)
    assert judge.summary(tmp_path / "run")["diagnosis"]["verdict"] == "collapsed"
    judge.close()
