from contextlib import closing

import numpy as np
import pandas as pd
import pytest
from flatline.dashboard.figures.sampling import sampled
from flatline.dashboard.figures.windows import around, bands_of, binned_of, entry_lines_of, lines_of, span_of_run
from flatline.runs.log import RunLog
from flatline.runs.run import Run

ROWS, PARAMETERS = 9000, 5


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """A run with gaps of every kind and all that was recorded in it: (run, iteration x signal or parameter)."""
    random = np.random.default_rng(7)
    folder = tmp_path_factory.mktemp("logs") / "gaps"
    held = np.array([at for at in range(ROWS) if not 3000 <= at < 3400])  # iterations that were never recorded
    table = pd.DataFrame(10.0 ** random.normal(size=(len(held), PARAMETERS + 2)), index=held).astype("f4")
    table.columns = ["loss", "rare", *(f"p{index}" for index in range(PARAMETERS))]
    table.loc[table.index % 40 != 0, "rare"] = np.nan
    table.loc[1000:1400, "loss"] = np.nan
    table.loc[5000:5600, "p0":"p4"] = np.nan
    table.loc[:, "p1"] = np.nan
    table.loc[random.choice(held, 3000, replace=False), "p2"] = np.nan
    with closing(RunLog(folder, {"parameters": list(table.columns[2:])})) as log:
        for at, row in zip(held, table.to_numpy(), strict=True):
            scalars = {"iteration": int(at), "epoch": 0, "wall_time": float(at), "skipped": False}
            log.append({**scalars, "loss": row[0], "rare": row[1], "gradient_norm": row[2:]})
    return Run(folder), table


def extremes(table, starts, width):
    """Lowest and highest of each bin, the slow way."""
    bins = [table[(table.index >= start) & (table.index < start + width)] for start in starts]
    return np.array([part.min() for part in bins]), np.array([part.max() for part in bins])


@pytest.mark.parametrize(("first", "last"), [(None, None), (137, 8011), (2500, 5800), (4900, 8999)])
def test_lines_hold_the_lowest_and_the_highest_of_every_bin(recorded, first, last):
    run, table = recorded
    lines = lines_of(run, ["loss", "rare"], first, last, points=300)
    assert len(lines) <= 300
    width = int(lines.index[2] - lines.index[0])
    low, high = extremes(table.loc[first:last, ["loss", "rare"]], lines.index[::2], width)
    pairs = lines.to_numpy().reshape(-1, 2, 2)  # (bin, lowest and highest in either order, column)
    np.testing.assert_array_equal(pairs.min(axis=1), low)
    np.testing.assert_array_equal(pairs.max(axis=1), high)
    assert np.isnan(low).any()
    assert lines.attrs["iterations"] == len(table.loc[first:last])


@pytest.mark.parametrize(("first", "last"), [(None, None), (137, 8011)])
def test_entries_alternate_between_the_lowest_and_the_highest_of_every_bin(recorded, first, last):
    run, table = recorded
    lines = entry_lines_of(run, "gradient_norm", first, last, points=200)
    width = int(lines.index[2] - lines.index[0])
    low, high = extremes(table.loc[first:last, "p0":"p4"], lines.index[::2], width)
    np.testing.assert_array_equal(lines.to_numpy()[0::2], low)
    np.testing.assert_array_equal(lines.to_numpy()[1::2], high)
    assert list(lines.columns) == run.parameters
    assert lines["p1"].isna().all()
    assert lines.attrs["iterations"] == len(table.loc[first:last])


@pytest.mark.parametrize("by", ["min", "max", "mean"])
def test_bins_of_a_heatmap_hold_the_statistic_asked_for(recorded, by):
    run, table = recorded
    binned = binned_of(run, "gradient_norm", 200, 8500, by=by, columns=90)
    width = binned.attrs["width"]
    norms = table.loc[200:8500, "p0":"p4"]
    bins = [norms[(norms.index >= start) & (norms.index < start + width)] for start in binned.index]
    expected = np.array([getattr(part.astype("f8"), by)() for part in bins])
    np.testing.assert_allclose(binned.to_numpy(), expected, rtol=1e-5)
    assert len(binned) <= 90
    assert binned.attrs["iterations"] == len(norms)


def test_the_statistics_are_of_the_same_bins(recorded):
    bands = bands_of(recorded[0], "gradient_norm", columns=90)
    assert bands["min"].index.equals(bands["max"].index)
    held = bands["mean"].notna()
    assert ((bands["min"] <= bands["mean"] * 1.00001) | ~held).all(axis=None)
    assert ((bands["mean"] <= bands["max"] * 1.00001) | ~held).all(axis=None)


@pytest.mark.parametrize("points", [100, 101, 150, 200, 201, 299])
def test_rows_are_as_they_were_recorded_where_they_fit_and_never_more_than_asked_for(recorded, points):
    run, table = recorded
    for asked in (points - 1, points, points + 1, 2 * points, 3 * points):
        lines = lines_of(run, ["loss"], 6000, 6000 + asked - 1, points)
        assert len(lines) <= points
        if asked <= points:
            expected = table.loc[6000 : 6000 + asked - 1, ["loss"]]
            np.testing.assert_array_equal(lines.to_numpy(), expected.to_numpy())
            np.testing.assert_array_equal(lines.index, expected.index)
            assert lines.attrs["iterations"] == asked


def test_a_falling_line_is_drawn_from_the_highest_to_the_lowest(tmp_path):
    with closing(RunLog(tmp_path / "run", {})) as log:
        for at in range(1000):
            log.append({"iteration": at, "epoch": 0, "wall_time": 0.0, "loss": 1000.0 - at})
    falling = lines_of(Run(tmp_path / "run"), ["loss"], points=100)["loss"].to_numpy()
    assert (np.diff(falling)[1:] < 0).all()


def test_a_signal_that_only_some_bins_have_is_one_line_and_a_gap_breaks_it(recorded):
    run, _ = recorded
    lines = lines_of(run, ["rare", "loss"], points=600)
    rare = sampled(lines["rare"], 600)
    breaks = rare.index[rare.isna()]
    assert len(breaks) == 1
    assert 3000 < breaks[0] < 3400
    loss = sampled(lines["loss"], 600)
    assert len(loss.index[loss.isna()]) == 2


def test_what_the_run_has_not_is_left_out_or_empty(recorded):
    run, _ = recorded
    assert list(lines_of(run, ["loss", "rho"]).columns) == ["loss"]
    assert lines_of(run, ["rho"]).empty
    assert entry_lines_of(run, "update_ratio").empty
    assert binned_of(run, "update_ratio").empty
    assert binned_of(run, "update_ratio").attrs == {"width": 1, "iterations": 0}


def test_a_run_that_recorded_nothing_is_empty(logs):
    empty = Run(logs / "empty")
    assert lines_of(empty, ["loss"]).empty
    assert binned_of(empty, "gradient_norm").empty


def test_rows_of_few_evaluations_reach_over_the_edges_of_a_stretch():
    table = pd.DataFrame({"a": range(5)}, index=[49, 99, 149, 199, 249])
    assert list(around(table, 100, 160).index) == [99, 149, 199]
    assert list(around(table, 99, 199).index) == [49, 99, 149, 199, 249]
    assert list(around(table, 300, 400).index) == [249]
    assert list(around(table, None, 60).index) == [49, 99]
    assert len(around(table)) == 5
    assert around(table.iloc[:0], 3, 5).empty


def test_the_span_of_a_stretch_is_the_runs_where_it_is_not_said(recorded):
    assert span_of_run(recorded[0]) == (0, ROWS - 1)
    assert span_of_run(recorded[0], 5, 70) == (5, 70)
