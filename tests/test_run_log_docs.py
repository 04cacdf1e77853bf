"""docs/run-log.md: its examples run, and it names every column that is written."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet
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


def test_the_way_round_a_column_that_came_late_works(tmp_path):
    log = RunLog(tmp_path / "run")
    log._iterations.seal_rows = 10
    for iteration in range(200):
        log.append({"iteration": iteration, "loss": 0.5, **({"rho": 1.0} if iteration >= 150 else {})})
    log.close()
    folder = log.path / "iterations"
    newest = sorted(folder.iterdir())[-1]
    assert "rho" not in pd.read_parquet(folder).columns
    table = pyarrow.parquet.read_table(folder, schema=pyarrow.parquet.read_schema(newest)).to_pandas()
    assert table.rho.notna().tolist() == [iteration >= 150 for iteration in range(200)]


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
