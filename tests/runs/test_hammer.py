"""A writer that flushes, merges and seals as fast as it can, and everybody who reads meanwhile."""

import subprocess
import sys
import time

import pandas as pd
import pytest
from flatline.diagnostics.errors import RunError
from flatline.runs.log import RunLog
from flatline.runs.run import Run

WRITE = """
import sys
from flatline.runs import writer
from flatline.runs.log import RunLog

writer.SegmentWriter.__init__.__kwdefaults__.update(flush_rows=1, seal_rows=60)
log = RunLog(sys.argv[1])
for iteration in range(10**9):
    log.append({"iteration": iteration, "loss": float(iteration), "gradient_norm": [float(iteration)] * 3})
    if iteration == 200:
        print("sealing", flush=True)
"""

SECONDS = 4.0


@pytest.fixture
def hammered(tmp_path):
    """A run that another process writes."""
    process = subprocess.Popen([sys.executable, "-c", WRITE, tmp_path / "run"], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "sealing\n"
    yield tmp_path / "run"
    assert process.poll() is None  # it did not fall over
    process.kill()
    process.communicate()


def with_pandas(folder):
    frame = pd.read_parquet(folder)
    return frame.iteration.tolist(), frame.loss.tolist()


def with_polars(folder):
    polars = pytest.importorskip("polars", reason="polars is no dependency of this project")
    frame = polars.scan_parquet(folder / "*.parquet", missing_columns="insert", extra_columns="ignore").collect()
    return frame["iteration"].to_list(), frame["loss"].to_list()


def with_duckdb(folder):
    duckdb = pytest.importorskip("duckdb", reason="DuckDB is no dependency of this project")
    files = str(folder / "*.parquet")
    with duckdb.connect() as connection:  # rows come in the order of the files' names
        found = connection.execute("SELECT iteration, loss FROM read_parquet(?, union_by_name = true)", [files])
        rows = found.fetchall()
    return [row[0] for row in rows], [row[1] for row in rows]


def with_run(folder):
    series = Run(folder.parent).series("loss")
    return series.index.tolist(), series.tolist()


@pytest.mark.parametrize("read", [with_pandas, with_polars, with_duckdb, with_run])
def test_a_reader_at_any_moment_sees_every_sealed_row_once_and_in_order(hammered, read):
    end, seen, sizes = time.monotonic() + SECONDS, 0, set()
    while time.monotonic() < end:
        iterations, losses = read(hammered / "iterations")
        assert iterations == list(range(len(iterations)))
        assert losses == iterations
        assert len(iterations) >= seen
        seen = len(iterations)
        sizes.add(seen)
    assert len(sizes) > 3  # it was read between seals, and not once only


def test_a_run_that_is_followed_sees_every_row_once_and_in_order(hammered):
    run, end, seen = Run(hammered), time.monotonic() + SECONDS, 0
    while time.monotonic() < end:
        iterations = run.series("loss").index.tolist()
        assert iterations == list(range(len(iterations)))
        assert len(iterations) >= seen
        seen = len(iterations)


def test_a_second_writer_is_refused_at_any_moment_and_harms_nothing(hammered):
    end, seen = time.monotonic() + SECONDS / 2, len(Run(hammered))
    while time.monotonic() < end:
        with pytest.raises(RunError, match="is being written by process"):
            RunLog(hammered, resume=True)
    assert len(Run(hammered)) > seen
    iterations, _ = with_run(hammered / "iterations")
    assert iterations == list(range(len(iterations)))
