import json
import math
import shutil

import numpy as np
import pytest
from flatline.diagnostics.lwlrap import at_constant_level
from flatline.runs.listing import COLUMNS, Listing, list_runs, recorded_mark
from flatline.runs.log import RunLog
from flatline.runs.run import Run

INFO = {
    "recipe": {"model": {"architecture": "cgrnn", "head": "mean"}, "seed": 7, "iterations": 40},
    "loss_kind": "bce",
    "iterations_planned": 40,
}


def record(path, scores=(0.5, 0.7, 0.6), **changed):
    log = RunLog(path, INFO)
    for iteration in range(30):
        log.append({"iteration": iteration, "loss": 1.0})
    for number, score in enumerate(scores):
        levels = {"chance": 0.40, "constant": 0.49, "loss": 0.25, **changed}
        log.append_evaluation({"iteration": 10 * number + 9, "lwlrap": score, **levels})
    return log


def row(logs, name="a"):
    return list_runs(logs).set_index("name").loc[name]


def test_a_finished_run_is_listed_with_its_last_and_best_score(tmp_path):
    record(tmp_path / "a").close()
    listed = row(tmp_path)
    assert listed["status"] == "finished"
    assert (listed["architecture"], listed["head"], listed["loss_kind"], listed["seed"]) == ("cgrnn", "mean", "bce", 7)
    assert (listed["iterations"], listed["planned"]) == (30, 40)
    scores = [listed[name] for name in ("lwlrap", "best_lwlrap", "chance", "constant", "loss")]
    np.testing.assert_allclose(scores, [0.6, 0.7, 0.40, 0.49, 0.25], rtol=1e-6)
    assert listed["at_constant_level"] == np.False_
    assert listed["seconds"] >= 0


def test_an_open_run_is_running_and_its_best_score_is_among_many_small_files(tmp_path):
    log = record(tmp_path / "a")
    log._iterations.flush()
    listed = row(tmp_path)
    assert (listed["status"], listed["iterations"]) == ("running", 30)
    assert listed["best_lwlrap"] == pytest.approx(0.7)
    assert listed["seconds"] >= 0
    log.close("interrupted")
    assert row(tmp_path)["status"] == "interrupted"


@pytest.mark.parametrize(("score", "expected"), [(0.49, True), (0.509, True), (0.511, False)])
def test_the_constant_level_has_a_margin(tmp_path, score, expected):
    record(tmp_path / "a", scores=[score]).close()
    assert bool(row(tmp_path)["at_constant_level"]) is expected


def test_the_higher_of_chance_and_constant_level_counts():
    assert at_constant_level(0.55, chance=0.54, constant=0.49) is True
    assert at_constant_level(0.55, chance=math.nan, constant=0.49) is False
    assert at_constant_level(0.55, math.nan, math.nan) is None
    assert at_constant_level(math.nan, 0.4, 0.5) is None


def test_what_a_run_does_not_say_is_missing_and_never_zero(tmp_path):
    RunLog(tmp_path / "a").close("failed")
    listed = row(tmp_path)
    assert (listed["status"], listed["iterations"]) == ("failed", 0)
    missing = [
        "architecture",
        "head",
        "loss_kind",
        "seed",
        "planned",
        "lwlrap",
        "best_lwlrap",
        "at_constant_level",
        "loss",
    ]
    assert listed[missing].isna().all()


def broken_json(path):
    path.mkdir()
    (path / "run.json").write_text("{ half")


def no_json(path):
    (path / "iterations").mkdir(parents=True)


def a_list(path):
    path.mkdir()
    (path / "run.json").write_text("[1]")


def odd_types(path):
    record(path).close()
    info = json.loads((path / "run.json").read_text())
    (path / "run.json").write_text(json.dumps({**info, "iterations_planned": "many"}))


def newer(path):
    path.mkdir()
    (path / "run.json").write_text('{"schema_version": 999}')


def broken_evaluations(path):
    record(path).close()
    for file in (path / "evaluations").glob("*.parquet"):
        file.write_bytes(b"not parquet")


@pytest.mark.parametrize("breakage", [broken_json, no_json, a_list, odd_types, newer, broken_evaluations])
def test_a_broken_run_is_a_row_that_says_why_and_hides_no_other(tmp_path, breakage):
    record(tmp_path / "whole").close()
    breakage(tmp_path / "a")
    listed = row(tmp_path)
    assert listed["status"] == "unreadable"
    assert listed["reason"]
    assert row(tmp_path, "whole")["status"] == "finished"


def test_other_folders_and_files_are_not_runs(tmp_path):
    (tmp_path / "notes").mkdir()
    (tmp_path / ".hidden").mkdir()
    (tmp_path / ".hidden" / "run.json").write_text("{}")
    (tmp_path / "file.txt").write_text("")
    assert list_runs(tmp_path).empty


def test_no_folder_is_an_empty_table_with_all_columns(tmp_path):
    listed = list_runs(tmp_path / "nowhere")
    assert listed.empty
    assert list(listed.columns) == list(COLUMNS)


def test_a_listing_reads_again_only_what_changed(tmp_path, monkeypatch):
    for name in ("a", "b"):
        record(tmp_path / name).close()
    listing = Listing(tmp_path)
    listing.table()
    read = []
    monkeypatch.setattr(
        "flatline.runs.listing._readable_row", lambda path: read.append(path.name) or {"name": path.name}
    )
    listing.table()
    assert read == []
    shutil.rmtree(tmp_path / "b")
    record(tmp_path / "b", scores=[0.9]).close()
    listing.table()
    assert read == ["b"]


def test_the_mark_changes_with_rows_evaluations_and_status(tmp_path):
    log = RunLog(tmp_path / "a", INFO)
    marks = [recorded_mark(log.path)]
    log.append({"iteration": 0, "loss": 1.0})
    log._iterations.flush()
    marks.append(recorded_mark(log.path))
    log.append_evaluation({"iteration": 0, "lwlrap": 0.5})
    marks.append(recorded_mark(log.path))
    assert recorded_mark(log.path) == marks[-1]
    log.close()
    marks.append(recorded_mark(log.path))
    assert len(set(marks)) == 4


def test_a_run_whose_process_died_turns_interrupted_though_no_file_changed(tmp_path):
    log = record(tmp_path / "a")
    listing = Listing(tmp_path)
    assert listing.table()["status"].tolist() == ["running"]
    log._lock.close()  # what the system does when a process is killed
    assert listing.table()["status"].tolist() == ["interrupted"]


def test_a_seed_of_64_bits_is_listed_beside_a_run_without_one(tmp_path):
    for name, seed in (("large", 2**64 - 3), ("none", None), ("small", 7)):
        RunLog(tmp_path / name, {"seed": seed}).close()
    listed = list_runs(tmp_path).set_index("name")["seed"]
    assert (listed["large"], listed["small"]) == (2**64 - 3, 7)
    assert listed.isna()["none"]


def evaluated(path, scores, **given):
    log = RunLog(path, **given)
    for number, score in enumerate(scores):
        log.append_evaluation({"iteration": number, "wall_time": 1.0, "lwlrap": score, "loss": number})
    return log


@pytest.mark.parametrize("close", [True, False])
def test_the_best_of_many_evaluations_and_the_last_are_those_of_all_rows(tmp_path, close):
    scores = np.random.default_rng(0).random(2500).astype(np.float32)
    scores[1::3] = np.nan
    log = evaluated(tmp_path / "many", scores.tolist())
    if close:
        log.close()
    row = list_runs(tmp_path).iloc[0]
    assert (row["best_lwlrap"], row["lwlrap"], row["loss"]) == (np.nanmax(scores), scores[-1], 2499)
    log.close()


def test_scores_that_were_never_recorded_are_missing(tmp_path):
    evaluated(tmp_path / "nan", [np.nan, np.nan]).close()
    log = RunLog(tmp_path / "none")
    log.append_evaluation({"iteration": 0, "loss": 1.0})
    log.close()
    listed = list_runs(tmp_path).set_index("name")
    assert listed["best_lwlrap"].isna().all()
    assert listed["lwlrap"].isna().all()
    assert listed["loss"].tolist() == [1.0, 1.0]


def test_a_run_that_goes_on_has_not_ended(tmp_path):
    evaluated(tmp_path / "run", [0.5]).close("interrupted")
    assert list_runs(tmp_path)["seconds"][0] >= 0
    assert "ended" in Run(tmp_path / "run").info
    log = RunLog(tmp_path / "run", resume=True)
    assert "ended" not in Run(tmp_path / "run").info
    log.close()
    assert "ended" in Run(tmp_path / "run").info
