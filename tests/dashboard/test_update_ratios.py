from contextlib import closing

import numpy as np
import pandas as pd
import pytest
from flatline.dashboard.figures import update_ratios, update_ratios_figure
from flatline.dashboard.figures.marks import Mark
from flatline.dashboard.figures.update_ratios import RULE, USUAL, part_bands
from flatline.runs.log import RunLog
from flatline.runs.run import Run

PARTS = {"conv.weight": "conv", "conv.bias": "conv", "gru.a": "rnn", "gru.b": "rnn", "gru.c": "rnn"}


def ratios(rows=100):
    values = np.array([1e-3, 1e-4, 1e-2, 1e-3, 1e-5]) * np.ones((rows, 1))
    return pd.DataFrame(values, index=pd.Index(range(rows), name="iteration"), columns=list(PARTS))


def figure_of(table):
    return update_ratios_figure(table, table, table, PARTS)


def traces(figure):
    return {trace.name: trace for trace in figure.data}


def said(figure):
    return " ".join(note.text for note in figure.layout.annotations).replace("<br>", " ")


def recorded(folder, table):
    with closing(RunLog(folder, {"parameters": list(PARTS), "parameter_parts": list(PARTS.values())})) as log:
        for at, row in zip(table.index, table.to_numpy(), strict=True):
            log.append({"iteration": at, "epoch": 0, "wall_time": 0.0, "skipped": False, "update_ratio": row})
    return Run(folder)


def test_a_part_is_the_median_of_its_parameters_in_a_band_from_lowest_to_highest():
    drawn = traces(figure_of(ratios()))
    np.testing.assert_allclose(drawn["rnn"].y, 1e-3, rtol=1e-6)
    np.testing.assert_allclose(drawn["conv"].y, 5.5e-4, rtol=1e-6)
    band = drawn["rnn: lowest to highest"]
    assert band.fill == "toself"
    np.testing.assert_allclose([band.y.min(), band.y.max()], [1e-5, 1e-2], rtol=1e-6)
    assert (band.x.min(), band.x.max()) == (0, 99)


def test_the_rule_of_thumb_lies_behind_a_logarithmic_axis_that_shows_it_whole():
    figure = figure_of(ratios() * 1e-3)
    shapes = {shape.name: (shape.y0, shape.y1, shape.layer) for shape in figure.layout.shapes}
    assert shapes == {"usual": (*USUAL, "below"), "rule of thumb": (RULE, RULE, "below")}
    assert "shaded: usual, a factor of ten around 1e-3" in said(figure)
    assert figure.layout.yaxis.type == "log"


def test_a_gap_breaks_the_line_and_the_band():
    table = ratios()
    table.loc[40:59] = np.nan
    drawn = traces(figure_of(table))
    assert np.isnan(drawn["conv"].y).sum() == 1
    band = drawn["conv: lowest to highest"]
    assert np.isnan(band.x).sum() == 1
    assert not ((band.x > 39) & (band.x < 60)).any()


def test_ratios_from_zero_weights_do_not_count():
    table = ratios()
    table.loc[0] = [np.nan, 1e-4, np.inf, np.nan, np.nan]
    bands = part_bands(table, table, table, PARTS)
    assert bands["conv"]["median"][0] == 1e-4
    assert np.isnan(bands["rnn"]["highest"][0])


def test_a_part_that_does_not_move_is_drawn_at_the_foot_and_said():
    table = ratios()
    table.loc[50:, ["gru.a", "gru.b", "gru.c"]] = 0.0
    figure = figure_of(table)
    zero = traces(figure)["rnn is zero"]
    assert list(zero.x) == list(range(50, 100))
    assert 0 < zero.y.max() < 1e-5
    assert "median exactly zero, ▼ below the axis: rnn (50 iterations)" in said(figure)
    assert np.isfinite(traces(figure)["rnn: lowest to highest"].y).all()


def test_a_part_without_ratios_is_left_out_and_none_at_all_is_said():
    table = ratios()
    table[["gru.a", "gru.b", "gru.c"]] = np.nan
    assert "rnn" not in traces(figure_of(table))
    assert "holds no update ratios" in said(figure_of(table * np.nan))


@pytest.mark.parametrize("spike", [1e-9, 1e3])
def test_a_single_step_of_a_long_run_is_in_the_band(tmp_path, spike):
    table = ratios(5000)
    table.iloc[4321, 3] = spike
    figure = update_ratios(recorded(tmp_path / "run", table))
    band = traces(figure)["rnn: lowest to highest"]
    assert np.float32(spike) in (np.nanmin(band.y), np.nanmax(band.y))
    assert "of 5,000 points" in said(figure)
    assert len(traces(figure)["rnn"].x) <= 600


def test_a_long_table_keeps_its_extremes_too():
    table = ratios(5000)
    table.iloc[1234, 0] = 1e3
    band = traces(figure_of(table))["conv: lowest to highest"]
    assert band.y.max() == np.float32(1e3)
    assert len(band.x) <= 1300


def test_a_short_run_is_as_it_was_recorded_and_its_onsets_are_marked(tmp_path):
    run = recorded(tmp_path / "run", ratios(50))
    figure = update_ratios(run, first=10, last=29, marks=(Mark(16, "saturation-plateau", "critical"),))
    assert list(traces(figure)["conv"].x) == list(range(10, 30))
    assert "20 of 20 points" in said(figure)
    assert "saturation-plateau" in said(figure)


def test_a_run_without_ratios_says_so(healthy):
    assert "give the recorder the optimiser" in said(update_ratios(healthy))
