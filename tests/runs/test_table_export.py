import json

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from flatline.diagnostics.errors import RunError
from flatline.runs.log import RunLog
from flatline.runs.run import Run
from flatline.runs.table_export import export

INFO = {"parameters": ["conv.weight", "rnn.weight"], "classes": ["Bark", "Meow, hiss"]}


@pytest.fixture(params=["open", "closed"])
def run(request, tmp_path):
    """A run with a column and an evaluation score that came late; open, its newest rows are in the tail."""
    log = RunLog(tmp_path / "logs" / "mine", INFO)
    log._iterations.seal_rows = 50
    for iteration in range(140):
        row = {"iteration": iteration, "wall_time": 1.7e9 + iteration, "loss": 0.1 * iteration, "skipped": False}
        row |= {"gradient_norm": [iteration, np.nan], "lwlrap": [0.5, 0.25], "hidden_gradient.gru": [1.0, 2.0, 3.0]}
        log.append(row | ({"rho": -1.0, "epoch": 3} if iteration >= 100 else {}))
    for score in (0.5, 0.75):
        log.append_evaluation({"iteration": 140, "lwlrap": score, "class_lwlrap": [score, np.nan]})
    log.append_evaluation({"iteration": 141, "lwlrap": np.inf, "tie_share": 0.5})
    log.flush()
    if request.param == "closed":
        log.close()
    yield Run(log.path)
    log.close()


def test_parquet_is_one_file_of_lists_that_names_their_entries(run, tmp_path):
    folder = export("mine", tmp_path / "logs", "parquet", tmp_path / "out")
    assert sorted(path.name for path in folder.iterdir()) == ["evaluations.parquet", "iterations.parquet"]
    table = pq.read_table(folder / "iterations.parquet")
    assert json.loads(table.schema.metadata[b"flatline"])["parameters"] == INFO["parameters"]
    frame = table.to_pandas().set_index("iteration")
    assert all(column.null_count == 0 for column in table.columns)
    np.testing.assert_array_equal(np.stack(frame["gradient_norm"].tolist()), run.gradient_norms.to_numpy())
    pd.testing.assert_series_equal(frame["loss"], run.series("loss"))
    assert frame["rho"].isna().tolist() == [True] * 100 + [False] * 40
    evaluations = pd.read_parquet(folder / "evaluations.parquet")
    assert evaluations["lwlrap"].tolist() == [0.5, 0.75, np.inf]
    assert evaluations["tie_share"].isna().tolist() == [True, True, False]


def test_csv_has_a_row_an_iteration_and_a_column_a_number(run, tmp_path):
    folder = export("mine", tmp_path / "logs", "csv", tmp_path / "out")
    frame = pd.read_csv(folder / "iterations.csv", index_col="iteration")
    assert frame.shape[0] == 140
    names = {"gradient_norm/conv.weight", "lwlrap/Meow, hiss", "hidden_gradient.gru/2", "loss", "rho", "epoch"}
    assert names <= set(frame.columns)
    assert not {"gradient_norm", "lwlrap"} & set(frame.columns)
    assert frame["gradient_norm/conv.weight"].tolist() == list(range(140))
    assert frame["gradient_norm/rnn.weight"].isna().all()
    assert frame["epoch"].isna().tolist() == frame["rho"].isna().tolist() == [True] * 100 + [False] * 40
    np.testing.assert_array_equal(frame["loss"].to_numpy(np.float32), run.series("loss").to_numpy())
    assert frame["wall_time"].iloc[-1] == 1.7e9 + 139
    evaluations = pd.read_csv(folder / "evaluations.csv")
    assert evaluations["class_lwlrap/Bark"].tolist()[:2] == [0.5, 0.75]
    assert evaluations["lwlrap"].iloc[-1] == np.inf


@pytest.mark.parametrize("form", ["parquet", "csv"])
def test_an_export_is_never_written_over_and_a_place_that_cannot_be_written_is_told(run, tmp_path, form):
    export("mine", tmp_path / "logs", form, tmp_path / "out")
    with pytest.raises(RunError, match=r"iterations\.\w+ is there already; choose another folder with -o"):
        export("mine", tmp_path / "logs", form, tmp_path / "out")
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match=r"cannot be written .* choose another with -o"):
        export("mine", tmp_path / "logs", form, tmp_path / "file")


@pytest.mark.parametrize("form", ["parquet", "csv"])
def test_a_run_without_a_row_is_a_table_without_a_row(tmp_path, monkeypatch, form):
    monkeypatch.chdir(tmp_path)
    RunLog(tmp_path / "logs" / "new", INFO).close()
    folder = export("new", tmp_path / "logs", form)
    assert str(folder) == f"{form}/new"
    assert (folder / f"iterations.{form}").is_file()


def test_rows_that_move_from_the_tail_while_they_are_exported_come_once(tmp_path):
    log = RunLog(tmp_path / "run", INFO)
    for iteration in range(150):
        log.append({"iteration": iteration, "loss": 1.0})
    seen = []
    for table in Run(log.path)._iterations.stream():
        seen += table.column("iteration").to_pylist()
        log.close()
    assert seen == list(range(150))
