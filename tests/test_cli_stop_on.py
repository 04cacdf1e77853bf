"""`flatline train --stop-on critical`: a run that is given up as soon as it is lost."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from flatline.cli import main
from flatline.runs.run import Run

SMALL = ["--set", "model.options.channels=2", "model.options.n_hidden=4", "batch_size=16", "ablate=false"]


def train(tiny_data, logs, *arguments):
    return main(["train", *arguments, "--data", str(tiny_data), "--logs", str(logs)])


@pytest.fixture(scope="module")
def stopped(tiny_data, tmp_path_factory):
    """A double sigmoid that was stopped at its first critical finding: exit code, stdout and stderr."""
    logs = tmp_path_factory.mktemp("stopped")
    command = ["train", "story-double-sigmoid", "--data", str(tiny_data), "--logs", str(logs), "--iterations", "80"]
    done = subprocess.run(
        [sys.executable, "-m", "flatline", *command, "--stop-on", "critical", *SMALL],
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    return done, logs


def test_training_that_is_stopped_on_a_critical_finding_ends_early_with_3_and_the_folder_last(stopped):
    done, logs = stopped
    assert done.returncode == 3, done.stderr
    assert done.stdout.splitlines()[-1] == str((logs / "story-double-sigmoid").resolve())
    assert "stopped at a critical finding: broken-objective; `flatline diagnose` says more" in done.stderr
    run = Run(done.stdout.splitlines()[-1])
    assert run.status == "interrupted"
    assert 20 <= len(run) < 80
    assert next(event["finding"]["kind"] for event in run.events() if event["kind"] == "finding") == "broken-objective"


def test_a_run_that_was_stopped_so_can_be_resumed(stopped, capsys):
    done, _ = stopped
    path = Path(done.stdout.splitlines()[-1])
    at = len(Run(path))
    assert main(["train", "--resume", str(path), "--iterations", str(at + 5)]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == str(path)
    run = Run(path)
    assert (run.status, len(run)) == ("finished", at + 5)


def test_a_healthy_recipe_is_trained_to_its_end_whether_it_may_be_stopped_or_not(tiny_data, tmp_path, capsys):
    assert train(tiny_data, tmp_path, "story-prior-bias", "--iterations", "40", "--stop-on", "critical", *SMALL) == 0
    run = Run(capsys.readouterr().out.splitlines()[-1])
    assert (run.status, len(run)) == ("finished", 40)


def test_without_the_option_a_critical_finding_stops_nothing(tiny_data, tmp_path, capsys):
    assert train(tiny_data, tmp_path, "story-double-sigmoid", "--iterations", "30", *SMALL) == 0
    run = Run(capsys.readouterr().out.splitlines()[-1])
    assert len(run) == 30
    assert "finding" in [event["kind"] for event in run.events()]
