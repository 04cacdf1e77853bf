"""A run read once says what a run says."""

import numpy as np
import pandas as pd
import pytest
from flatline.diagnostics.errors import RunError, UnknownNameError
from flatline.runs.log import RunLog
from flatline.runs.read_once import ReadOnce
from flatline.runs.run import Run

INFO = {"parameters": ["w", "b"], "classes": ["x", "y", "z"], "maps": {"m": "weights"}}


def row(iteration):
    late = {"update_ratio": [0.1 * iteration, 2.0]} if iteration >= 15 else {}
    lists = {"gradient_norm": [iteration, 1.0], "positives": [0.0, 1.0, iteration], "attention_peak": np.ones(5)}
    return {"iteration": iteration, "loss": 0.5, **lists, "hidden_gradient.gru": [1.0, np.nan, iteration], **late}


@pytest.fixture
def log(tmp_path):
    """Sealed segments of ten rows, and five rows in the tail."""
    log = RunLog(tmp_path / "mine", INFO)
    log._iterations.seal_rows = 10
    for iteration in range(25):
        log.append(row(iteration))
    log.flush()
    log.append_evaluation({"iteration": 25, "lwlrap": 0.5, "class_lwlrap": [0.1, 0.2, 0.3]})
    yield log
    log.close()


TABLES = {
    "by parameter": lambda run: run.by_parameter("gradient_norm"),
    "a late column": lambda run: run.by_parameter("update_ratio"),
    "by class": lambda run: run.by_class("positives"),
    "a map of other columns": lambda run: run.by_class("attention_peak"),
    "by frame": lambda run: run.hidden_gradients("gru"),
    "evaluations": lambda run: run.evaluation_lwlrap,
    "scalars": lambda run: run.scalars,
}


@pytest.mark.parametrize("name", TABLES)
def test_every_table_is_that_of_a_run(name, log):
    expected = TABLES[name](Run(log.path))
    once = ReadOnce(log.path)
    for _ in range(2):
        pd.testing.assert_frame_equal(TABLES[name](once), expected)
    assert len(expected) in (1, 25)


def test_rows_that_come_later_are_read_too(log):
    once = ReadOnce(log.path)
    assert len(once.by_class("positives")) == 25
    for iteration in range(25, 60):
        log.append(row(iteration))
    log.flush()
    pd.testing.assert_frame_equal(once.by_class("positives"), Run(log.path).by_class("positives"))


def test_lists_are_not_kept(log):
    once = ReadOnce(log.path)
    once.by_parameter("gradient_norm")
    kept = {name for file in once._iterations._files.values() for name in file.columns}
    assert kept == {"iteration"}


def test_a_file_that_is_sealed_between_two_looks_is_found_where_it_is_then(log, monkeypatch):
    once = ReadOnce(log.path)
    parts = once._iterations.parts

    def sealed(*args, **kwargs):
        raise FileNotFoundError

    monkeypatch.setattr(once._iterations, "parts", sealed)
    pd.testing.assert_frame_equal(once.by_class("positives"), Run(log.path).by_class("positives"))
    monkeypatch.setattr(once._iterations, "parts", lambda *args, **kwargs: list(parts(*args, **kwargs))[:-1])
    pd.testing.assert_frame_equal(once.by_parameter("gradient_norm"), Run(log.path).by_parameter("gradient_norm"))


def test_a_file_that_cannot_be_read_is_named(log):
    log.close()
    segment = next((log.path / "iterations").glob("*.parquet"))
    segment.write_bytes(segment.read_bytes()[:50])
    with pytest.raises(RunError, match=segment.name):
        ReadOnce(log.path).by_class("positives")


def test_a_name_that_is_not_known_is_refused_as_by_a_run(log):
    with pytest.raises(UnknownNameError, match="no such"):
        ReadOnce(log.path).by_class("no such")
    with pytest.raises(RunError, match="hidden gradient of 'lstm'"):
        ReadOnce(log.path).hidden_gradients("lstm")


def test_a_column_that_was_never_written_is_nan_as_of_a_run(log):
    pd.testing.assert_frame_equal(ReadOnce(log.path).by_class("lwlrap"), Run(log.path).by_class("lwlrap"))
