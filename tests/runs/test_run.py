import json
import os

import numpy as np
import pandas as pd
import pytest
from flatline.diagnostics.errors import RunError, UnknownNameError
from flatline.runs import run as module
from flatline.runs.log import RunLog
from flatline.runs.run import Run

CLASSES = ["Bark", "Meow", "Hiss"]
PARAMETERS = ["conv.weight", "rnn.weight"]
INFO = {
    "classes": CLASSES,
    "parameters": PARAMETERS,
    "parameter_parts": ["conv", "rnn"],
    "maps": {"head.map": "sigmoid"},
    "recipe": {"name": "story"},
}


def row(iteration):
    return {
        "iteration": iteration,
        "epoch": iteration // 4,
        "wall_time": 100.0 + iteration,
        "loss": 0.5,
        "skipped": iteration == 2,
        "gradient_norm": np.full(2, np.nan if iteration == 2 else iteration),
        "lwlrap": [0.1, np.nan, 0.3],
        "hidden_gradient.gru": np.arange(5.0),
    }


@pytest.fixture
def log(tmp_path):
    log = RunLog(tmp_path / "logs" / "mine", INFO)
    yield log
    log.close()


@pytest.fixture
def run(log):
    for iteration in range(8):
        log.append(row(iteration))
    log.append_evaluation({"iteration": 4, "epoch": 1, "lwlrap": 0.4, "lrap": 0.3, "class_lwlrap": [0.1, 0.2, np.nan]})
    log.append_evaluation({"iteration": 8, "lwlrap": 0.6, "chance": 0.2, "constant": 0.3, "loss": 0.1})
    log.append_maps(3, {"head.map": np.ones((4, 3))})
    log.close()
    return Run(log.path)


def test_the_tables_are_those_of_the_contract(run):
    assert run.gradient_norms.shape == (8, 2)
    assert list(run.gradient_norms.columns) == PARAMETERS
    assert run.gradient_norms.index.tolist() == list(range(8))
    assert run.gradient_norms.index.name == "iteration"
    assert run.gradient_norms.loc[2].isna().all()
    assert list(run.lwlrap.columns) == CLASSES
    assert run.lwlrap["Meow"].isna().all()
    assert list(run.evaluations.columns) == ["lwlrap", "lrap", "loss", "chance", "constant"]
    assert run.evaluations.index.tolist() == [4, 8]
    assert run.evaluation_lwlrap.loc[4].tolist()[:2] == pytest.approx([0.1, 0.2])
    assert run.evaluation_lwlrap.loc[8].isna().all()
    assert list(run.scalars.columns) == ["loss", "skipped"]
    assert run.hidden_gradients("gru").shape == (8, 5)
    assert run.attention(3).shape == (4, 3)
    assert run.parts == {"conv.weight": "conv", "rnn.weight": "rnn"}
    assert (len(run), run.last_iteration, run.recipe["name"]) == (8, 7, "story")
    assert repr(run).endswith("finished, 8 iterations)")


def test_what_is_on_top_is_nan_until_it_was_recorded(run, log):
    assert run.evaluation_top.columns.tolist() == CLASSES
    assert run.evaluation_top.index.tolist() == [4, 8]
    assert run.evaluation_top.isna().to_numpy().all()
    later = RunLog(log.path, resume=True)
    later.append_evaluation({"iteration": 9, "lwlrap": 0.6, "class_top": [0.75, 0.25, 0]})
    live = Run(log.path).evaluation_top
    later.close()
    for table in (live, Run(log.path).evaluation_top):
        assert table.loc[9].tolist() == [0.75, 0.25, 0]
        assert table.loc[:8].isna().to_numpy().all()


def test_a_series_is_one_signal_and_the_rows_coordinates_can_be_asked_for_too(run):
    assert run.series("loss").tolist() == [0.5] * 8
    assert run.series("skipped").sum() == 1
    assert run.series("wall_time").iloc[-1] == 107
    assert run.series("epoch").iloc[-1] == 1


def test_an_unknown_signal_lists_the_known_ones(run):
    with pytest.raises(
        UnknownNameError, match=r"unknown signal 'rho' \(run mine\); known: epoch, loss, skipped, wall_time"
    ):
        run.series("rho")
    with pytest.raises(UnknownNameError, match=r"no single number \(run mine\); use run.by_parameter\('gradient_norm'"):
        run.series("gradient_norm")


@pytest.mark.parametrize("column", ["positives", "gradient_norms", "loss"])
def test_a_table_by_parameter_of_something_else_is_refused_and_not_filled_with_nan(run, column):
    with pytest.raises(
        UnknownNameError, match=rf"unknown signal by parameter '{column}' \(run mine\); known: gradient_n"
    ):
        run.by_parameter(column)
    with pytest.raises(UnknownNameError, match="unknown signal by class 'gradient_norm'"):
        run.by_class("gradient_norm")
    with pytest.raises(UnknownNameError, match="unknown signal by gate 'gradient_norm'"):
        run.by_gate("gradient_norm")


def test_a_run_is_read_on_after_a_change_of_the_working_directory(run, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    again = Run("mine")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert len(again.scalars) == len(run.scalars) > 0


def test_an_unknown_map_clip_or_rnn_says_what_there_is(run):
    with pytest.raises(UnknownNameError, match=r"unknown map 'x' .*known: head.map"):
        run.attention(3, map="x")
    with pytest.raises(UnknownNameError, match=r"unknown pinned clip '\.\./mean' .*known: none"):
        run.attention(3, clip="../mean")
    with pytest.raises(UnknownNameError, match="unknown pinned clip 'mean'"):
        run.attention(3, clip="mean")
    with pytest.raises(RunError, match="did not record the hidden gradient of 'lstm'"):
        run.hidden_gradients("lstm")
    with pytest.raises(RunError, match=r"iteration 9 .* the nearest is 3"):
        run.attention(9)


@pytest.mark.parametrize("clip", ["../../up.wav", "/abs/clip.wav", "a/b.wav", "mean", "plain.wav", ".hidden.wav"])
def test_a_pinned_clip_may_have_a_name_that_leads_elsewhere(log, tmp_path, clip):
    log.append_maps(3, {"head.map": np.ones((4, 3))}, clip)
    log.append_maps(3, {"head.map": np.ones((2, 2))})
    run = Run(log.path)
    assert run.attention(3, clip=clip).shape == (4, 3)
    log.close()
    assert run.attention(3, clip=clip).shape == (4, 3)
    assert {path.relative_to(tmp_path).parts[:2] for path in tmp_path.rglob("*.parquet")} == {("logs", "mine")}


def test_a_run_without_maps_says_how_to_get_them(tmp_path):
    RunLog(tmp_path / "run").close()
    with pytest.raises(RunError, match=r"recorded no maps; name the modules .* Recorder\(attention=\)"):
        Run(tmp_path / "run").attention(0)


@pytest.mark.parametrize("rows", [0, 1])
def test_a_run_with_no_row_or_one_has_whole_tables(tmp_path, rows):
    log = RunLog(tmp_path / "run", INFO)
    for iteration in range(rows):
        log.append(row(iteration))
    for _ in ("open", "closed"):
        log.flush()
        run = Run(log.path)
        assert run.gradient_norms.shape == (rows, 2)
        assert run.lwlrap.shape == (rows, 3)
        assert len(run.scalars) == len(run) == rows
        assert run.evaluations.shape == (0, 5)
        assert run.evaluation_lwlrap.shape == (0, 3)
        assert run.map_iterations().tolist() == []
        assert run.events() == []
        log.close()


def test_an_evaluation_given_twice_at_one_iteration_is_two_rows(tmp_path):
    log = RunLog(tmp_path / "run", INFO)
    for score in (0.1, 0.2):
        log.append_evaluation({"iteration": 5, "lwlrap": score})
        assert Run(log.path).evaluations.lwlrap.iloc[-1] == pytest.approx(score)
    log.close()
    assert Run(log.path).evaluations.index.tolist() == [5, 5]


def test_a_run_follows_one_that_is_still_written(log):
    run = Run(log.path)
    assert (run.status, len(run)) == ("running", 0)
    for iteration in range(120):
        log.append(row(iteration))
    assert len(run) == len(run.gradient_norms) >= 100
    log.close()
    assert (run.status, len(run.gradient_norms)) == ("finished", 120)


def test_a_run_whose_process_died_is_interrupted(log):
    assert Run(log.path).status == "running"
    log._lock.close()
    assert Run(log.path).status == "interrupted"


def test_a_run_that_finishes_between_two_looks_is_not_interrupted(log, monkeypatch):
    run = Run(log.path)

    def closed_meanwhile(path):
        log.close("finished")
        return False

    monkeypatch.setattr(module, "is_locked", closed_meanwhile)
    assert run.status == "finished"


def test_a_path_goes_before_a_name_and_a_name_is_looked_for_under_logs(run, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert Run("mine").path == run.path
    assert Run("logs/mine").name == "mine"
    assert Run(tmp_path / "logs" / "mine").name == "mine"
    assert Run("mine", logs=tmp_path / "logs").name == "mine"
    (tmp_path / "mine").mkdir()  # a folder of that name that is no run is no hindrance
    assert Run("mine").path == run.path


@pytest.mark.parametrize("address", ["nope", "/nope", "", "a\0b", "x" * 5000, "../logs/nope"])
def test_a_run_that_is_not_there_is_an_error_that_lists_those_that_are(run, monkeypatch, tmp_path, address):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RunError, match=r"no run at .*; runs under logs: mine"):
        Run(address)


def test_of_many_runs_the_nearest_few_are_named(tmp_path):
    for number in range(40):
        RunLog(tmp_path / f"sweep-{number}").close()
    RunLog(tmp_path / "story-plain").close()
    with pytest.raises(RunError, match=r"; runs under \S+: story-plain, .* and 33 more") as refused:
        Run("story-plane", logs=tmp_path)
    assert str(refused.value).count("sweep-") == 7


def test_beside_an_address_with_a_folder_the_runs_of_that_folder_are_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    RunLog(tmp_path / "logs" / "usual").close()
    RunLog(tmp_path / "other" / "mine").close()
    with pytest.raises(RunError, match=r"runs under other: mine$"):
        Run("other/nope")
    with pytest.raises(RunError, match=r"runs under logs: usual$"):
        Run("nowhere/nope")


def test_where_there_are_no_runs_that_is_said(tmp_path):
    with pytest.raises(RunError, match=r"there are no runs under .*empty yet"):
        Run("nope", logs=tmp_path / "empty")


@pytest.mark.parametrize("content", [b"", b"{ half", b"[1]", b'"x"', b"\xff\xfe", b'{"schema_version": "new"}'])
def test_a_run_json_that_cannot_be_read_is_named(run, content):
    (run.path / "run.json").write_bytes(content)
    with pytest.raises(RunError, match=r"run\.json cannot be read .* may still be whole, in .*iterations"):
        Run(run.path)


def test_run_json_is_parsed_again_only_when_it_was_replaced(run, monkeypatch):
    reads = []
    real = module.read_info
    monkeypatch.setattr(module, "read_info", lambda path: reads.append(path) or real(path))
    for _ in range(5):
        run.classes, run.parameters, run.info  # noqa: B018
    assert reads == []
    (run.path / ".new").write_text(json.dumps({**run.info, "classes": ["other"]}))
    os.replace(run.path / ".new", run.path / "run.json")
    assert run.classes == ["other"]


def test_a_column_that_was_never_recorded_is_nan_and_not_zero(run):
    assert run.by_class("attention_entropy").isna().all(axis=None)
    assert run.by_parameter("update_ratio").shape == (8, 2)
    assert run.evaluations.loc[4, ["chance", "constant", "loss"]].isna().all()


def test_the_tables_are_what_pandas_reads(run):
    frame = pd.read_parquet(run.path / "iterations").set_index("iteration")
    np.testing.assert_array_equal(np.stack(frame.gradient_norm.tolist()), run.gradient_norms.to_numpy())
    pd.testing.assert_series_equal(frame.loss, run.series("loss"))
