"""docs/run-log.md: its examples run, and it names every column that is written."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from flatline.diagnostics.maps import decode_map
from flatline.runs.log import RunLog
from flatline.runs.recipe import load_recipe
from flatline.runs.run import Run
from flatline.runs.task import prepare
from flatline.runs.train import train

PAGE = (Path(__file__).parent.parent / "docs" / "run-log.md").read_text(encoding="utf-8")

SMALL = ("model.options.channels=2", "batch_size=16", "iterations=2", "evaluate_every=2", "level=deep")


def example(package):
    """The page's code that begins with this package."""
    return next(code for code in re.findall(r"```\w+\n(.*?)```", PAGE, re.DOTALL) if package in code)


@pytest.fixture(scope="module")
def logs(tiny_data, tmp_path_factory):
    recipe = load_recipe("story-attention", SMALL)
    folder = tmp_path_factory.mktemp("docs")
    return train(recipe, prepare(recipe, tiny_data), folder / "logs", name="mine").path.parent.parent


def test_the_pandas_example_runs(logs, monkeypatch):
    monkeypatch.chdir(logs)
    found = {}
    exec(example("import pandas"), found)
    assert found["norms"].shape[0] == len(found["rows"]) == 2
    assert found["worst"] in (0, 1)


def test_the_polars_example_runs(logs, monkeypatch):
    pytest.importorskip("polars", reason="polars is no dependency of this project")
    monkeypatch.chdir(logs)
    found = {}
    exec(example("import polars"), found)
    assert len(found["norms"]) == 2


def test_the_duckdb_example_runs(logs, monkeypatch):
    duckdb = pytest.importorskip("duckdb", reason="DuckDB is no dependency of this project")
    monkeypatch.chdir(logs)
    assert len(duckdb.sql(example("SELECT")).fetchall()) == 2


@pytest.fixture
def late(tmp_path, monkeypatch):
    """A run in many segments whose column `rho` came late."""
    log = RunLog(tmp_path / "logs" / "mine", {"parameters": ["w", "b"]})
    log._iterations.seal_rows = 10
    for iteration in range(200):
        row = {"iteration": iteration, "loss": 0.5, "gradient_norm": [iteration, 1.0]}
        log.append(row | ({"rho": 1.0} if iteration >= 150 else {}))
    log.close()
    monkeypatch.chdir(tmp_path)
    return log.path / "iterations"


LATE = [iteration >= 150 for iteration in range(200)]


def test_the_way_round_a_column_that_came_late_works_in_pandas_and_polars(late):
    polars = pytest.importorskip("polars", reason="polars is no dependency of this project")
    assert "rho" not in pd.read_parquet(late).columns
    found = {"pd": pd, "pl": polars}
    code = example("from pathlib").replace("rows = pl", "others = pl")
    exec(code, found)
    assert found["rows"].rho.notna().tolist() == found["others"]["rho"].fill_nan(None).is_not_null().to_list() == LATE
    assert found["rows"].iteration.tolist() == found["others"]["iteration"].to_list() == list(range(200))


def test_duckdb_and_polars_read_a_folder_of_many_segments_with_a_late_column(late):
    duckdb = pytest.importorskip("duckdb", reason="DuckDB is no dependency of this project")
    rows = duckdb.sql(example("SELECT")).fetchall()
    assert [row[::2] for row in rows] == [(iteration, float(iteration)) for iteration in range(200)]
    rho = duckdb.sql(example("SELECT").replace("iteration, loss", "rho, loss")).fetchall()
    assert [row[0] == 1.0 for row in rho] == LATE  # null in the files that lack it, NaN before it in that which has it
    pytest.importorskip("polars", reason="polars is no dependency of this project")
    found = {}
    exec(example("import polars"), found)
    assert found["rows"]["iteration"].to_list() == list(range(200))
    assert found["norms"]["gradient_norm"].to_list() == list(map(float, range(200)))


def test_the_example_of_a_window_runs(late):
    found = {}
    exec(example("import flatline"), found)
    assert found["lowest"].shape == (200, 2)
    assert (found["width"], found["highest"].max()) == (1, 0.5)


@pytest.mark.parametrize("folder", ["iterations", "evaluations"])
def test_every_column_is_named_on_the_page_or_in_run_json(logs, folder):
    run = Run(logs / "logs" / "mine")
    documented = set(re.findall(r"`([\w.<>]+)`", PAGE)) | set(run.info["signals"])
    for name in pd.read_parquet(run.path / folder).columns:
        family = name.split(".")[0]
        assert {name, family, f"{family}.<clip>", f"{family}.<rnn>"} & documented, name


def test_every_entry_of_the_folder_stands_on_the_page(logs):
    for path in (logs / "logs" / "mine").iterdir():
        assert path.name in PAGE


def test_the_formula_of_a_map_is_the_one_that_is_used():
    low, high = np.array([1.0], "f4"), np.array([3.0], "f4")
    assert "low + (high - low) * byte / 254`, 255 for NaN" in PAGE
    assert decode_map(2, 1, low, high, bytes([127, 255]))[0, 0] == 1 + 2 * 127 / 254
    assert np.isnan(decode_map(2, 1, low, high, bytes([127, 255]))[1, 0])
