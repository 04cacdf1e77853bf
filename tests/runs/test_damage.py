import json
import shutil

import pytest
from flatline.runs.damage import damage
from flatline.runs.log import RunLog
from flatline.runs.run import Run

INFO = {"parameters": ["w"], "iterations_planned": 20}


@pytest.fixture
def path(tmp_path):
    """A finished run of 20 iterations, evaluated at 10 and 20, in two segments."""
    log = RunLog(tmp_path / "run", INFO)
    for iteration in range(20):
        log.append({"iteration": iteration, "loss": 1.0})
        if iteration in (9, 19):
            log.append_evaluation({"iteration": iteration + 1, "lwlrap": 0.5})
    log.close()
    return log.path


def test_a_whole_run_and_one_that_holds_nothing_yet_lack_nothing(path, tmp_path):
    assert damage(Run(path)) == []
    log = RunLog(tmp_path / "new", INFO)
    assert damage(Run(log.path)) == []
    log.close("failed")
    assert damage(Run(log.path)) == []


def test_iterations_that_are_lost_show_by_the_evaluations(path):
    shutil.rmtree(path / "iterations")
    assert damage(Run(path)) == ["The run was evaluated at iteration 20, but iterations 0 to 19 are not there."]


def test_a_gap_between_two_files_shows_by_their_names(path):
    (segment,) = (path / "iterations").glob("*.parquet")
    segment.rename(segment.with_name("000000005-000000019.parquet"))
    assert damage(Run(path)) == ["Iterations 0 to 4 are not there."]


def test_a_finished_run_without_anything_has_lost_it(path):
    shutil.rmtree(path / "iterations")
    shutil.rmtree(path / "evaluations")
    assert damage(Run(path)) == ["The run finished, but none of its iterations is there."]


def test_a_run_json_without_the_names_of_parameters_is_damaged(path):
    info = json.loads((path / "run.json").read_text())
    del info["parameters"]
    (path / "run.json").write_text(json.dumps(info))
    assert "names no parameters" in damage(Run(path))[0]


def test_a_running_log_is_whole_at_any_moment(tmp_path):
    log = RunLog(tmp_path / "run", INFO)
    for iteration in range(4100):
        log.append({"iteration": iteration, "loss": 1.0})
        if iteration % 333 == 0:
            assert damage(Run(log.path)) == []
    log.close("interrupted")
    assert damage(Run(log.path)) == []
