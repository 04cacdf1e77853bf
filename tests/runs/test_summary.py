import json
import math
import os
import subprocess
import sys
import types
from pathlib import Path

import numpy as np
import pytest
from flatline.cli import main
from flatline.diagnostics.ablation_shares import Ablation, PartShare
from flatline.runs import commands
from flatline.runs import summary as summaries
from flatline.runs.ablations import write_ablation
from flatline.runs.diagnosing import as_dict, diagnose
from flatline.runs.log import RunLog
from flatline.runs.read_once import ReadOnce
from flatline.runs.summary import (
    NO_GRADIENT,
    gradient_curve,
    judge,
    remember,
    rules,
    store_summary,
    stored_summary,
    summarise,
)


def recorded(path, iterations=120, *, open_=False, **changed):
    """A run that gave every clip one ranking from the start; `changed` is put over each row."""
    info = {"parameters": ["rnn.weight", "head.weight"], "parameter_parts": ["rnn", "head"], "classes": ["a", "b"]}
    log = RunLog(path, {**info, "loss_kind": "bce-with-logits"})
    for iteration in range(iterations):
        row = {"loss": 0.7, "gradient_norm": np.array([0.1, 0.2]), "gradient_norm_total": 0.1 + 0.001 * iteration}
        row |= {"output_min": -2.0, "output_max": 2.0, "rank_agreement": 0.999, "clip_spread": 0.01, "rho": 1.0}
        log.append({"iteration": iteration, "epoch": 0, "wall_time": 0.0, **row, **changed})
    log.append_evaluation({"iteration": iterations, "lwlrap": 0.5, "chance": 0.5, "constant": 0.5, "loss": 0.7})
    log._iterations.flush()
    if not open_:
        log.close()
    return log


@pytest.fixture
def run(tmp_path):
    recorded(tmp_path / "mine")
    return ReadOnce(tmp_path / "mine")


def test_a_summary_holds_the_whole_diagnosis_and_is_json(run):
    summary = summarise(run)
    assert json.loads(json.dumps(summary, allow_nan=False)) == summary
    expected = json.loads(summaries.to_json(as_dict(run, diagnose(run))))
    found = summary["diagnosis"]
    assert found["verdict"] == expected["verdict"] == "collapsed"
    for finding, plain in zip(found["findings"], expected["findings"], strict=True):
        assert finding.items() >= plain.items()
        assert {"variant", "where", "is_active", "do"} <= finding.keys()
    assert {key: found[key] for key in found if key != "findings"} == {
        key: expected[key] for key in expected if key != "findings"
    }
    assert summary["cause"]["pro"]
    assert summary["sentences"][0].startswith("constant-predictor")
    assert summary["iterations"] == 120


def test_a_run_with_nothing_wrong_has_no_cause(tmp_path):
    recorded(tmp_path / "few", 10)
    summary = summarise(ReadOnce(tmp_path / "few"))
    assert summary["diagnosis"]["verdict"] == "undetermined"
    assert summary["cause"] is None
    assert summary["order"] == ""


def test_the_curve_is_the_lowest_gradient_of_the_rnn_in_each_bin(tmp_path):
    log = RunLog(tmp_path / "mine", {"parameters": ["a", "b", "c"], "parameter_parts": ["rnn", "rnn", "head"]})
    for iteration in range(120):
        log.append({"iteration": iteration, "gradient_norm": np.array([3.0, 4.0, 9.0]) * (1 + iteration)})
    log.close()
    expected = [math.log10(5 * (1 + first)) for first in range(0, 120, 3)]
    assert gradient_curve(ReadOnce(tmp_path / "mine")) == pytest.approx(expected, abs=1e-3)


def test_without_an_rnn_the_curve_is_of_the_whole_net(tmp_path):
    log = RunLog(tmp_path / "mine", {"parameters": ["a"], "parameter_parts": ["head"]})
    for iteration in range(120):
        log.append({"iteration": iteration, "gradient_norm_total": 0.1 + 0.001 * iteration})
    log.close()
    expected = [math.log10(0.1 + 0.001 * first) for first in range(0, 120, 3)]
    assert gradient_curve(ReadOnce(tmp_path / "mine")) == pytest.approx(expected, abs=1e-3)


def test_a_gradient_of_zero_and_one_that_was_not_recorded_are_told_apart(tmp_path):
    nothing = {"gradient_norm": np.full(2, np.nan), "gradient_norm_total": math.nan}
    recorded(tmp_path / "zero", 10, gradient_norm=np.zeros(2))
    recorded(tmp_path / "none", 10, **nothing)
    assert gradient_curve(ReadOnce(tmp_path / "zero")) == [NO_GRADIENT] * 10
    assert gradient_curve(ReadOnce(tmp_path / "none")) == [None] * 10


def test_what_was_stored_is_read_back(run):
    assert stored_summary(run.path) is None
    summary = summarise(run)
    assert store_summary(run.path, summary)
    assert stored_summary(run.path) == summary
    assert [path.name for path in run.path.glob(".summary*")] == []


def test_a_moved_run_is_named_by_its_new_place(run):
    store_summary(run.path, summarise(run))
    moved = run.path.rename(run.path.with_name("moved"))
    summary = stored_summary(moved)
    assert summary is not None
    assert summary["diagnosis"]["run"] == str(moved)


def test_new_rows_make_a_summary_out_of_date(run):
    store_summary(run.path, summarise(run))
    log = RunLog(run.path, resume=True)
    log.append({"iteration": 120, "epoch": 0, "wall_time": 0.0, "loss": 0.1})
    log.close()
    assert stored_summary(run.path) is None


def test_a_new_ablation_makes_a_summary_out_of_date(run):
    store_summary(run.path, summarise(run))
    part = PartShare("rnn.gru", "the GRU", 0.5, 0.0, 0.0, 0.0)
    write_ablation(run.path, 120, Ablation(0.6, 0.5, 0.5, 0.5, 40, (part,)), "000000120.safetensors")
    assert stored_summary(run.path) is None


def test_other_rules_make_a_summary_out_of_date(run, monkeypatch):
    store_summary(run.path, summarise(run))
    monkeypatch.setattr(summaries, "rules", lambda: "0.0.1 older")
    assert stored_summary(run.path) is None


@pytest.mark.parametrize("content", ["{ half", "[]", "{}", '{"mark": 1}', "\0\xff"])
def test_a_file_that_is_no_summary_is_none(run, content):
    (run.path / "summary.json").write_text(content, encoding="latin-1")
    assert stored_summary(run.path) is None


def test_a_folder_that_cannot_be_written_is_no_error(run, tmp_path, monkeypatch):
    assert store_summary(tmp_path / "gone", summarise(run)) is False
    assert not (tmp_path / "gone").exists()

    def refused(*_, **__):
        raise PermissionError

    monkeypatch.setattr(os, "replace", refused)
    assert store_summary(run.path, summarise(run)) is False
    assert [path.name for path in run.path.glob("*summary*")] == []


def test_judging_keeps_the_summary_of_a_run_that_has_ended(run):
    diagnosis = judge(run)
    summary = stored_summary(run.path)
    assert summary is not None
    assert summary["diagnosis"]["cause"] == diagnosis.cause == "constant-predictor"


def test_judging_leaves_the_folder_of_a_running_run_alone(tmp_path):
    log = recorded(tmp_path / "live", open_=True)
    judge(ReadOnce(tmp_path / "live"))
    remember(tmp_path / "live")
    assert not (tmp_path / "live" / "summary.json").exists()
    log.close()


def test_remembering_leaves_out_long_runs_and_what_cannot_be_read(run):
    remember(run.path, most=100)
    assert stored_summary(run.path) is None
    remember(run.path, most=120)
    assert stored_summary(run.path) is not None
    (run.path / "run.json").write_text("{ half", encoding="utf-8")
    remember(run.path)


def process(*arguments, given=""):
    code = "import sys; from flatline.runs.summary import main; main(sys.argv[1:]); print('torch' in sys.modules)"
    command = [sys.executable, "-c", code, *map(str, arguments)]
    done = subprocess.run(command, input=given, capture_output=True, text=True, timeout=60, check=True)
    *said, with_torch = done.stdout.splitlines()
    assert with_torch == "False"
    return [json.loads(line) for line in said]


def test_the_process_says_a_line_a_run_and_stores_it_without_torch(run, tmp_path):
    (tmp_path / "broken" / "iterations").mkdir(parents=True)
    (tmp_path / "broken" / "run.json").write_text("{ half", encoding="utf-8")
    first, second = process(tmp_path / "broken", run.path)
    assert first.keys() == {"path", "error"}
    assert "run.json cannot be read" in first["error"]
    assert second["path"] == str(run.path)
    assert second["stored"] is True
    assert second["diagnosis"]["cause"] == "constant-predictor"
    assert stored_summary(run.path) is not None


def test_the_process_takes_names_of_any_kind_from_stdin(tmp_path):
    odd = tmp_path / "a\nb é"
    recorded(odd, 10)
    (said,) = process("-", given=json.dumps(str(odd)) + "\n")
    assert said["path"] == str(odd)
    assert said["iterations"] == 10


def test_a_part_of_the_rules_is_the_text_of_the_detectors(monkeypatch, tmp_path):
    before = rules()
    rules.cache_clear()
    monkeypatch.setattr(summaries, "files", lambda package: tmp_path)
    (tmp_path / "base.py").write_text("SATURATED = 0.1", encoding="utf-8")
    assert rules() != before
    rules.cache_clear()
    monkeypatch.undo()
    assert rules() == before


def test_a_stored_summary_costs_little(run):
    store_summary(run.path, summarise(run))
    assert Path(run.path, "summary.json").stat().st_size < 20_000


def test_the_command_line_keeps_what_it_said(run, capsys):
    assert main(["diagnose", str(run.path), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    summary = stored_summary(run.path)
    assert summary is not None
    assert summary["diagnosis"]["cause"] == said["cause"]


def test_a_training_leaves_the_verdict_beside_its_run(tmp_path, monkeypatch):
    recorded(tmp_path / "mine", 10)
    trained = types.SimpleNamespace(path=tmp_path / "mine")
    monkeypatch.setattr(commands, "train_recipe", lambda *_, **__: trained)
    monkeypatch.setattr(commands, "prepared", lambda *_: None)
    given = {"data": tmp_path, "logs": tmp_path, "name": None, "settings": [], "iterations": 10, "seed": 0}
    assert commands.train("story-plain", **given) is trained
    assert stored_summary(tmp_path / "mine") is not None
