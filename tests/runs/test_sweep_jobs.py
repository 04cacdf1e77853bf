"""Processes beside each other: how many, what fails, and how they end when interrupted."""

import signal
import sys
import threading
import time

import pytest
from flatline.runs.sweep_jobs import Job, run_jobs, terminated_in_order

WAITS = """
import pathlib, signal, sys, time
def ask(*_):
    pathlib.Path(sys.argv[1]).with_suffix(".ended").touch()
    sys.exit(130)
signal.signal(signal.SIGINT, ask)
pathlib.Path(sys.argv[1]).touch()
time.sleep(60)
"""


def python(name, text, *arguments):
    return Job(name, (sys.executable, "-c", text, *map(str, arguments)))


def test_every_job_is_run_and_told_and_a_failed_one_keeps_none_back():
    told, begun = [], []
    jobs = [
        python("fails", "import sys; print('first', file=sys.stderr); sys.exit('flatline: no such data')"),
        python("runs", "pass"),
        python("dies silently", "import os; os._exit(7)"),
    ]
    ended = run_jobs(jobs, 1, lambda *end: told.append(end), begun.append)
    assert begun == ["fails", "runs", "dies silently"]
    assert sorted(name for name, _ in told) == sorted(begun)
    assert (ended["fails"].code, ended["fails"].said) == (1, "no such data")
    assert ended["fails"].failed
    assert not ended["runs"].failed
    assert (ended["dies silently"].code, ended["dies silently"].said) == (7, "it said nothing")


def test_the_environment_of_a_job_is_added_to_this_one(monkeypatch):
    monkeypatch.setenv("FLATLINE_TEST_WORD", "kept")
    text = "import os, sys; sys.exit(os.environ['FLATLINE_TEST_WORD'] + os.environ['OMP_NUM_THREADS'])"
    job = Job("job", (sys.executable, "-c", text), {"OMP_NUM_THREADS": "3"})
    assert run_jobs([job], 1, lambda *_: None)["job"].said == "kept3"


def test_no_more_jobs_run_at_a_time_than_asked_for():
    now, most = [0], [0]

    def started(name):
        now[0] += 1
        most[0] = max(most[0], now[0])

    def told(name, end):
        now[0] -= 1

    run_jobs([python(str(n), "import time; time.sleep(0.2)") for n in range(5)], 2, told, started)
    assert most == [2]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_ends_those_that_run_in_order_and_starts_no_other(tmp_path, number):
    flags = [tmp_path / str(n) for n in range(3)]
    jobs = [python(flag.name, WAITS, flag) for flag in flags]

    def interrupt():
        while not (flags[0].exists() and flags[1].exists()):
            time.sleep(0.02)
        signal.raise_signal(number)

    threading.Thread(target=interrupt, daemon=True).start()
    with pytest.raises(KeyboardInterrupt), terminated_in_order():
        run_jobs(jobs, 2, lambda *_: None)
    assert [flag.with_suffix(".ended").exists() for flag in flags] == [True, True, False]
    assert not flags[2].exists()
