"""Logs of every schema version open, with the values that were written; those of a later one are refused."""

import importlib.util
import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from flatline.diagnostics.errors import RunError
from flatline.runs.damage import damage
from flatline.runs.log import SCHEMA_VERSION, RunLog
from flatline.runs.run import Run

VERSIONS = Path(__file__).parent / "versions"

MOST_BYTES = 60_000


@pytest.fixture(scope="module")
def recorder():
    """The script that recorded the logs: what it wrote is what must be read."""
    spec = importlib.util.spec_from_file_location("record", VERSIONS / "record.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(params=range(1, SCHEMA_VERSION + 1))
def path(request):
    return VERSIONS / str(request.param)


def check(run, recorder, iterations, evaluations):
    """That the run holds exactly these rows."""
    rows = [recorder.row(iteration) for iteration in range(iterations)]
    index = pd.Index(range(iterations), name="iteration")
    for name in ("loss", "learning_rate", "gradient_norm_total", "rho", "skipped", "epoch", "wall_time"):
        values = np.array([row.get(name, np.nan) for row in rows], dtype=float)
        np.testing.assert_array_equal(run.series(name).to_numpy().astype(float), values, err_msg=name)
    for table, column in (
        (run.gradient_norms, "gradient_norm"),
        (run.by_gate("gate_gradient_norm"), "gate_gradient_norm"),
        (run.lwlrap, "lwlrap"),
        (run.hidden_gradients("gru"), "hidden_gradient.gru"),
    ):
        np.testing.assert_array_equal(table.to_numpy(), np.array([row[column] for row in rows]), err_msg=column)
        pd.testing.assert_index_equal(table.index, index)
    scores = [recorder.evaluation(iteration) for iteration in evaluations]
    names = ["lwlrap", "lrap", "loss", "chance", "constant"]
    np.testing.assert_array_equal(run.evaluations[names].to_numpy(), [[row[name] for name in names] for row in scores])
    np.testing.assert_array_equal(run.evaluation_lwlrap.to_numpy(), [row["class_lwlrap"] for row in scores])
    window = run.window(["loss", "gradient_norm"])
    np.testing.assert_array_equal(window["max"]["loss"].to_numpy(), run.series("loss").to_numpy())


def test_a_log_of_each_version_opens_with_the_values_that_were_written(path, recorder):
    run = Run(path)
    assert run.info["schema_version"] == int(path.name)
    assert (run.status, len(run)) == ("interrupted", recorder.WRITTEN)
    check(run, recorder, recorder.WRITTEN, recorder.EVALUATED)
    assert list(run.gradient_norms.columns) == recorder.PARAMETERS
    assert list(run.lwlrap.columns) == recorder.CLASSES
    assert run.recipe["name"] == "story-plain"
    assert [(event["kind"], event["iteration"]) for event in run.events()] == [("skipped-step", 7)]
    assert damage(run) == []
    assert run.map_iterations().tolist() == [0, 30, 31]
    np.testing.assert_allclose(run.attention(31), recorder.attention(31), atol=1 / 500)
    np.testing.assert_allclose(run.attention(40, clip="a.wav"), recorder.attention(40), atol=1 / 500)


def test_a_log_of_each_version_can_be_gone_on_with(path, recorder, tmp_path):
    shutil.copytree(path, tmp_path / "run")
    log = RunLog(tmp_path / "run", resume=True)
    for iteration in range(recorder.WRITTEN, 120):
        recorder.add(log, iteration)
    log.append_evaluation(recorder.evaluation(120))
    log.close()
    run = Run(tmp_path / "run")
    assert (run.info["schema_version"], run.status) == (SCHEMA_VERSION, "finished")
    check(run, recorder, 120, (*recorder.EVALUATED, 120))


def test_the_script_writes_the_log_of_this_version(recorder, tmp_path):
    recorder.record(tmp_path / "run")
    check(Run(tmp_path / "run"), recorder, recorder.WRITTEN, recorder.EVALUATED)
    now = {str(file.relative_to(tmp_path / "run")) for file in (tmp_path / "run").rglob("*") if file.is_file()}
    kept = VERSIONS / str(SCHEMA_VERSION)
    assert now == {str(file.relative_to(kept)) for file in kept.rglob("*") if file.is_file()}


def test_a_log_of_a_later_version_is_refused_with_what_to_do(tmp_path):
    shutil.copytree(VERSIONS / "1", tmp_path / "run")
    info = json.loads((tmp_path / "run" / "run.json").read_text())
    (tmp_path / "run" / "run.json").write_text(json.dumps({**info, "schema_version": SCHEMA_VERSION + 1}))
    for open_ in (Run, lambda path: RunLog(path, resume=True)):
        with pytest.raises(RunError, match=rf"schema version {SCHEMA_VERSION + 1}, .* upgrade flatline"):
            open_(tmp_path / "run")


def test_the_logs_are_small(path):
    assert sum(file.stat().st_size for file in path.rglob("*") if file.is_file()) < MOST_BYTES
