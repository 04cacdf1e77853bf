"""`flatline ablate`: of a finished run, kept in it, read back with what training logged."""

import json
import math
import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from flatline.cli import main
from flatline.diagnostics.ablation_shares import Ablation, PartShare
from flatline.diagnostics.errors import RunError
from flatline.runs.ablate import ablatable, ablate_run, ablation_table, conclusions
from flatline.runs.ablations import write_ablation
from flatline.runs.log import RunLog
from flatline.runs.resume import resume
from flatline.runs.run import Run
from flatline.runs.superseding import supersede
from flatline.runs.train import train
from rich.console import Console


@pytest.fixture(scope="module")
def finished(small_recipe, small_task, tmp_path_factory):
    recipe = small_recipe("story-attention", "ablate=false")
    return train(recipe, small_task, tmp_path_factory.mktemp("logs")).path


@pytest.fixture
def run(finished, tmp_path):
    return Run(shutil.copytree(finished, tmp_path / "run"))


def found(share, n_clips=8, part="rnn.gru"):
    return Ablation(
        0.5, 0.1, 0.1, 0.1, n_clips, (PartShare(part, "the GRU gru", 0.3, share, share - 0.1, share + 0.1),)
    )


def in_log(path, *rows):
    log = RunLog(path)
    for row in rows:
        log.append_evaluation(row)
    log.close()
    return Run(path)


def test_it_fills_the_shares_in_for_a_finished_run_and_leaves_its_tables_alone(run, small_task):
    before = {path: path.read_bytes() for path in run.path.rglob("*.parquet")}
    assert run.ablations.empty
    ablated = ablate_run(ablatable(run, "last"), small_task)
    assert {path: path.read_bytes() for path in run.path.rglob("*.parquet")} == before
    assert ablated.file == run.path / "ablations" / "000000006.json"
    table = run.ablations
    assert table.index.tolist() == [6]
    row = ablated.ablation.row()
    assert list(table.columns) == list(row)
    np.testing.assert_array_equal(table.loc[6], list(row.values()))
    assert {"ablation.rnn.gru", "ablation.silence.band1", "ablation.silence.half2.high"} <= set(table)
    assert ablated.ablation.score == pytest.approx(run.evaluations.lwlrap.iloc[-1])
    assert "ablation_clips" not in run.evaluation_scalars  # sealed rows stay as they were


def test_it_gives_what_training_itself_logs(finished, run, small_recipe, small_task, tmp_path):
    logged = Run(train(small_recipe("story-attention"), small_task, tmp_path / "logs").path).ablations
    ablate_run(ablatable(run, "last"), small_task)
    filled = run.ablations[logged.columns]
    pd.testing.assert_frame_equal(filled, logged, rtol=1e-5, atol=1e-6)


def test_the_best_checkpoint_is_kept_under_its_own_iteration(run, small_task):
    best = int(run.evaluations.lwlrap.idxmax())
    ablated = ablate_run(ablatable(run, "best"), small_task)
    assert ablated.iteration == best
    assert run.ablations.index.tolist() == [best]


def test_the_newer_of_two_at_an_iteration_counts_and_what_it_did_not_try_stands(tmp_path):
    old = {"ablation.rnn.gru": 0.25, "ablation.rnn.lstm": 0.75, "ablation_clips": 4.0}
    rows = [{"iteration": at, "lwlrap": 0.5, "wall_time": when} for at, when in ((0, 1.0), (5, 2.0), (9, 9e9))]
    run = in_log(tmp_path / "a", rows[0], rows[1] | old, rows[2] | old)
    write_ablation(run.path, 5, found(0.5), "x")
    write_ablation(run.path, 9, found(0.5), "x")  # older than the row, by its clock
    write_ablation(run.path, 7, found(math.nan), "x")
    table = run.ablations
    assert table.index.tolist() == [5, 7, 9]
    assert table["ablation.rnn.gru"].tolist()[::2] == [0.5, 0.25]
    assert math.isnan(table["ablation.rnn.gru"][7])
    assert table["ablation.rnn.lstm"].fillna(-1).tolist() == [0.75, -1, 0.75]
    assert table["ablation_clips"].tolist() == [8, 8, 4]
    write_ablation(run.path, 5, found(0.125), "x")
    assert run.ablations["ablation.rnn.gru"][5] == 0.125


def test_of_two_evaluations_at_an_iteration_the_later_counts(tmp_path):
    rows = [{"iteration": 3, "wall_time": when, "ablation.rnns": share} for when, share in ((1.0, 0.5), (2.0, 0.25))]
    assert in_log(tmp_path / "a", *rows).ablations["ablation.rnns"].tolist() == [0.25]


def test_a_run_without_evaluations_has_none(tmp_path):
    assert in_log(tmp_path / "a").ablations.empty


def test_reading_them_needs_no_torch(run, small_task):
    ablate_run(ablatable(run, "last"), small_task)
    code = (
        f"import sys, flatline; table = flatline.Run({str(run.path)!r}).ablations; "
        "assert len(table) == 1; assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_damaged_file_is_named(run):
    folder = run.path / "ablations"
    folder.mkdir()
    for content in ("{", "[]", '{"iteration": 1, "wall_time": 1, "shares": [1]}', '{"shares": {}}'):
        (folder / "000000001.json").write_text(content)
        with pytest.raises(RunError, match=r"000000001\.json cannot be read .*; delete it"):
            run.ablations  # noqa: B018


def test_a_run_that_is_being_written_is_refused(run, small_task):
    given = ablatable(run, "last")
    log = RunLog(run.path, resume=True)
    with pytest.raises(RunError, match="is being written by process"):
        ablatable(run, "last")
    with pytest.raises(RunError, match="is being written by process"):
        ablate_run(given, small_task)
    log.close()
    assert run.ablations.empty


def test_what_cannot_be_ablated_says_what_to_do(run, tmp_path):
    own = tmp_path / "own"
    RunLog(own, {"recipe": None}).close()
    with pytest.raises(RunError, match=r"call flatline\.ablate\(model, batches\) in that loop"):
        ablatable(Run(own), "last")
    (run.path / "checkpoints" / "000000006.safetensors").write_bytes(b"")
    with pytest.raises(RunError, match="checkpoint last of run run cannot be read"):
        ablatable(run, "last")
    shutil.rmtree(run.path / "checkpoints")
    with pytest.raises(RunError, match="checkpoint best of run run is not there; name another with --checkpoint"):
        ablatable(run, "best")


def test_a_resume_takes_those_of_later_weights_away(run, small_task):
    for iteration in (3, 4, 6):
        write_ablation(run.path, iteration, found(0.5), "x")
    supersede(run.path, 3, evaluated=True)
    assert run.ablations.index.tolist() == [3]
    moved = sorted(path.name for path in (run.path / "superseded" / "1" / "ablations").iterdir())
    assert moved == ["000000004.json", "000000006.json"]


def test_whether_it_ablates_may_be_changed_in_a_resume(small_recipe, small_task, tmp_path):
    recipe = small_recipe("story-attention", "ablate=false", "iterations=3")
    run = Run(train(recipe, small_task, tmp_path).path)
    resume(run, small_recipe("story-attention", "iterations=6"), small_task)
    assert run.ablations.index.tolist() == [6]


def test_a_terminal_shows_each_part_once_and_what_follows(run, small_task):
    parts = (
        PartShare("rnn.gru", "the GRU gru", 0.202, 0.02, 0.0, 0.04),
        PartShare("rnns", "the GRU gru", 0.202, 0.02, 0.0, 0.04),
        PartShare("attention.a", "the map a", 0.1, math.nan, math.nan, math.nan),
    )
    whole = Ablation(0.207, 0.066, 0.066, 0.066, 240, parts)
    console = Console(width=100)
    with console.capture() as captured:
        console.print(ablation_table(whole, 100))
    said = captured.get()
    assert said.count("the GRU gru") == 1
    assert "0 to 4 %" in said
    assert "it is bypassed" in said
    assert "–" in said
    assert conclusions(whole)[0] == "The GRU gru carries 2 % of the score (0 to 4 %): it is bypassed."
    with console.capture() as captured:
        console.print(ablation_table(whole, 60))
    assert "0 to 4 %" in captured.get()


def test_the_command_says_score_shares_and_what_they_mean(run, tiny_data, capsys):
    assert main(["ablate", str(run.path), "--data", str(tiny_data)]) == 0
    said = capsys.readouterr().out
    assert said.startswith("run at iteration 6: score 0.")
    assert "(chance 0." in said
    assert "the GRU gru" in said
    assert "the input's mel bins 0 to 7" in said


def test_its_json_is_json_alone_with_absolute_paths(run, monkeypatch, capsys):
    monkeypatch.chdir(run.path.parent)
    assert main(["ablate", "run", "--json", "--checkpoint", "best", "--logs", str(run.path.parent)]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["run"] == str(run.path)
    assert told["file"] == str(run.path / "ablations" / f"{told['iteration']:09d}.json")
    assert told["clips"] == 16
    assert {"score", "chance", "constant", "floor", "checkpoint"} <= set(told)
    assert {"part", "label", "score", "share", "low", "high", "means"} == set(told["parts"][0])
    assert told["parts"][0]["part"] == "rnn.gru"


def test_what_is_wrong_is_one_line(run, other_data, tmp_path, capsys):
    for arguments in (["nowhere"], [str(run.path), "--data", str(other_data)]):
        assert main(["ablate", *arguments, "--logs", str(tmp_path)]) == 2
        said = capsys.readouterr()
        assert said.out == ""
        assert said.err.strip().splitlines()[-1].startswith("flatline: ")
    assert "is not the data set that run run was trained on" in said.err


@pytest.fixture
def other_data(tiny_data, tmp_path):
    """A data set that the run was not trained on."""
    other = shutil.copytree(tiny_data, tmp_path / "other")
    table = (other / "train_curated.csv").read_text().splitlines(keepends=True)
    (other / "train_curated.csv").write_text("".join([table[0], *table[2:], table[1]]))
    return other
