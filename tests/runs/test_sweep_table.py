"""Rows of runs, means over seeds with their intervals, and the forms of the table."""

import io
import math
from contextlib import closing

import numpy as np
import pandas as pd
import pytest
from flatline.runs.intervals import half_width
from flatline.runs.log import RunLog
from flatline.runs.run import Run
from flatline.runs.sweep_table import Row, as_csv, as_markdown, row_of, seconds_per_epoch, summaries, table
from rich.console import Console
from scipy import stats


def row(seed=0, lwlrap=0.5, verdict="healthy", cause=None, **more):
    given = {
        "lrap": 0.4,
        "chance": 0.06,
        "constant": 0.07,
        "seconds_per_epoch": 2.0,
        "iterations": 9,
        "parameters": 1234,
    }
    facts = {"name": f"a-{seed}", "label": "a x", "variant": "a", "choices": {"s": "x"}, "seed": seed, "run": "/logs/a"}
    return Row(**{**facts, "status": "finished", "lwlrap": lwlrap, "verdict": verdict, "cause": cause, **given, **more})


def test_means_and_intervals_over_seeds_are_students():
    values = [0.41, 0.52, 0.47, 0.49]
    (one,) = summaries([row(seed, value) for seed, value in enumerate(values)])
    low, high = stats.t.interval(0.95, 3, np.mean(values), stats.sem(values))
    assert one.lwlrap == pytest.approx(np.mean(values))
    assert one.lwlrap - one.lwlrap_half == pytest.approx(low)
    assert one.lwlrap + one.lwlrap_half == pytest.approx(high)
    assert one.seeds == 4


def test_one_seed_has_no_interval_and_a_missing_score_no_mean():
    (one,) = summaries([row()])
    assert math.isnan(one.lwlrap_half)
    assert one.lwlrap == 0.5
    (two,) = summaries([row(0), row(1, math.nan)])
    assert math.isnan(two.lwlrap)
    assert math.isnan(half_width([0.5]))


def test_verdicts_that_differ_between_seeds_are_counted():
    rows = [row(0, verdict="collapsed", cause="broken-objective"), row(1), row(2)]
    (one,) = summaries(rows)
    assert one.verdict == "collapsed (1), healthy (2)"
    assert one.cause == "broken-objective (1), none (2)"
    (same,) = summaries([row(0), row(1)])
    assert (same.verdict, same.cause) == ("healthy", None)


def test_labels_keep_their_order():
    rows = [row(), row(label="b"), row(1)]
    assert [one.label for one in summaries(rows)] == ["a x", "b"]


def test_seconds_an_epoch_are_the_median_iteration_by_iterations_an_epoch(tmp_path):
    info = {"recipe": {"batch_size": 8}, "data": {"counts": {"train": 85}}}
    clock = 0.0
    with closing(RunLog(tmp_path / "run", info)) as log:
        for at in range(30):
            clock += 20.0 if at % 10 == 0 else 0.5  # an evaluation comes before every tenth
            log.append({"iteration": at, "epoch": 0, "wall_time": clock, "loss": 0.1, "skipped": False})
    assert seconds_per_epoch(Run(tmp_path / "run")) == pytest.approx(0.5 * 10)


def test_a_run_without_a_recipe_has_no_epochs(tmp_path):
    RunLog(tmp_path / "run", {"recipe": None}).close()
    assert math.isnan(seconds_per_epoch(Run(tmp_path / "run")))


def test_a_run_that_is_not_there_is_a_row_that_says_why(tmp_path):
    from flatline.runs.recipe import load_recipe
    from flatline.runs.sweep import Planned

    planned = Planned("a", "a", {}, 0, load_recipe("story-plain"))
    missing = row_of(planned, tmp_path / "a", "no such data")
    assert (missing.status, missing.failed) == ("missing", "no such data")
    assert math.isnan(missing.lwlrap)
    assert "no run at" in row_of(planned, tmp_path / "a").failed


def shown(rows, width):
    console = Console(width=width, record=True, file=io.StringIO())
    console.print(table(rows, width))
    return console.export_text()


@pytest.mark.parametrize("width", [70, 100, 160])
def test_the_table_has_every_score_beside_its_levels_and_shortens_none(width):
    text = shown([row(0, 0.41), row(1, 0.43), row(label="plain", lwlrap=0.07, verdict="collapsed")], width)
    assert "0.420 ± 0.127" in text
    assert "0.060" in text
    assert "0.070" in text
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= width


def test_markdown_and_csv_hold_the_same_numbers():
    rows = [row(0, 0.41), row(1, 0.43), row(label="b", lwlrap=math.nan, verdict="collapsed", cause="dead-units")]
    lines = as_markdown(rows).splitlines()
    assert len(lines) == 4
    assert "| a x | 0.420 ± 0.127 | 0.400 ± 0.000 | 0.060 | 0.070 | 2.0 | 1,234 | healthy |" in lines
    assert "| b | – |" in lines[3]
    assert "collapsed: dead-units" in lines[3]
    back = pd.read_csv(io.StringIO(as_csv(rows)))
    assert list(back.lwlrap[:2]) == [0.41, 0.43]
    assert back.lwlrap.isna()[2]
    assert list(back.choices) == ["x"] * 3
