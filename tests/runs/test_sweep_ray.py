"""Jobs as tasks of Ray, in a process of their own: Ray leaves threads and signal handlers behind."""

import subprocess
import sys

import pytest

pytest.importorskip("ray", reason="ray is not installed: pip install 'flatline[ray]'")

RUNS = """
import sys
from flatline.runs.sweep_jobs import Job
from flatline.runs.sweep_ray import run_on_ray
def python(name, text):
    return Job(name, (sys.executable, "-c", text), {"FLATLINE_TEST_WORD": "given"})
jobs = [
    python("runs", "import os; assert os.environ['FLATLINE_TEST_WORD'] == 'given'"),
    python("fails", "import sys; sys.exit('flatline: no such data')"),
]
started, told = [], []
ended = run_on_ray(jobs, 2, lambda name, end: told.append(name), started.append)
print(started, sorted(told), ended["runs"].code, ended["fails"].code, ended["fails"].said)
"""

INTERRUPTED = """
import pathlib, signal, sys, threading, time
from flatline.runs.sweep_jobs import Job
from flatline.runs.sweep_ray import run_on_ray
folder = pathlib.Path(sys.argv[1])
text = (folder / "job.py").read_text()
jobs = [Job(str(n), (sys.executable, "-c", text, str(folder / str(n)))) for n in range(2)]
def interrupt():
    while not (folder / "0").exists():
        time.sleep(0.05)
    signal.raise_signal(signal.SIGINT)
threading.Thread(target=interrupt, daemon=True).start()
try:
    run_on_ray(jobs, 1, lambda *_: None)
except KeyboardInterrupt:
    print("interrupted")
"""

JOB = """
import pathlib, signal, sys, time
def ask(*_):
    pathlib.Path(sys.argv[1] + ".ended").touch()
    sys.exit(130)
signal.signal(signal.SIGINT, ask)
pathlib.Path(sys.argv[1]).touch()
time.sleep(300)
"""


def run(script, *arguments):
    command = [sys.executable, "-c", script, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=540)


def test_ray_runs_the_same_commands_and_tells_how_each_ended():
    done = run(RUNS)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "['runs', 'fails'] ['fails', 'runs'] 0 1 no such data"


def test_an_interruption_ends_a_task_of_ray_in_order(tmp_path):
    (tmp_path / "job.py").write_text(JOB)
    done = run(INTERRUPTED, tmp_path)
    assert done.stdout.splitlines()[-1:] == ["interrupted"], done.stderr
    assert (tmp_path / "0.ended").exists()
    assert not (tmp_path / "1").exists()
