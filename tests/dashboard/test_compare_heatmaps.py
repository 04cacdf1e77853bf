"""Gradient heatmaps of several runs on one scale."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from flatline.dashboard.figures.compare_heatmaps import MOST, compare_heatmaps, compare_heatmaps_figure

PARTS = {"fc": "head", "conv": "conv", "gru": "rnn", "gate": "attention"}


def norms(*names, value=1e-2, n=10):
    return pd.DataFrame(value, index=pd.Index(range(n), name="iteration"), columns=list(names))


def note(figure):
    return next(note.text for note in figure.layout.annotations if note.name == "note")


def test_all_runs_have_all_rows_in_data_flow_order_and_one_scale_of_colours():
    tables = {"a": norms("fc", "conv", "gru", value=1.0), "b": norms("fc", "gru", "gate", value=2e-5)}
    figure = compare_heatmaps_figure(tables, PARTS)
    assert [trace.name for trace in figure.data] == ["a", "b"]
    for trace in figure.data:
        assert list(trace.y) == ["conv", "gru", "fc", "gate"]
        assert trace.coloraxis == "coloraxis"
        assert (trace.zmin, trace.zmax) == (None, None)
    assert (figure.layout.coloraxis.cmin, figure.layout.coloraxis.cmax) == (-5, 0)
    assert figure.layout.coloraxis.colorbar.title.text == "gradient norm (L2)"
    first, second = (np.array(trace.z) for trace in figure.data)
    assert (first[:3] == 0).all()
    np.testing.assert_allclose(second[1:], np.log10(2e-5), rtol=1e-6)


def test_a_parameter_that_a_run_has_not_is_a_grey_row_and_said():
    figure = compare_heatmaps_figure({"a": norms("conv", "gru"), "b": norms("gru", "fc")}, PARTS)
    assert np.isnan(np.array(figure.data[0].z)[2]).all()
    assert np.isnan(np.array(figure.data[1].z)[0]).all()
    assert "grey: no such parameter, or no gradient: a (1 of 3), b (1 of 3)" in note(figure)
    assert figure.layout.plot_bgcolor not in (None, figure.layout.paper_bgcolor)
    same = compare_heatmaps_figure({"a": norms("conv"), "b": norms("conv")}, PARTS)
    assert "grey" not in note(same)


def test_the_axes_of_iterations_show_the_same_stretch_beside_each_other():
    figure = compare_heatmaps_figure({"a": norms("gru", n=10), "b": norms("gru", n=30), "c": norms("gru")}, PARTS)
    axes = [figure.layout[f"xaxis{place}"] for place in ("", 2, 3)]
    assert [axis.matches for axis in axes] == [None, "x", "x"]
    assert all(left.domain[1] < right.domain[0] for left, right in pairwise(axes))
    assert {axis.title.text for axis in axes} == {"iteration"}
    assert all(axis.range is None for axis in axes)
    assert "30 of 30 iterations" in note(figure)


def test_bins_keep_the_lowest_and_say_so():
    table = norms("gru", n=1000)
    table.iloc[500] = 1e-9
    figure = compare_heatmaps_figure({"a": table}, PARTS, columns=100)
    assert np.array(figure.data[0].z).shape == (1, 100)
    assert np.nanmin(np.array(figure.data[0].customdata)) == pytest.approx(1e-9)
    assert "100 of 1,000 iterations (each column the lowest of 10)" in note(figure)


def test_parts_are_named_once():
    figure = compare_heatmaps_figure({"a": norms("conv", "gru"), "b": norms("fc", "gru")}, PARTS)
    names = [note.text for note in figure.layout.annotations if note.name in PARTS.values()]
    assert names == ["<b>conv</b>", "<b>rnn</b>", "<b>head</b>"]


def test_runs_without_gradient_norms_say_so():
    figure = compare_heatmaps_figure({"a": pd.DataFrame(), "b": norms("gru", value=np.nan)}, PARTS)
    assert not figure.data
    assert "None of these runs holds gradient norms" in figure.layout.annotations[0].text


def test_one_run_without_them_stands_empty_beside_the_others():
    figure = compare_heatmaps_figure({"a": pd.DataFrame(), "b": norms("gru")}, PARTS)
    assert len(figure.data) == 2
    assert np.array(figure.data[1].z).shape == (1, 10)
    assert "a (1 of 1)" in note(figure)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_recorded_runs_are_drawn_and_those_beyond_the_fourth_named(simulated, tmp_path, healthy, collapsed, theme):
    figure = compare_heatmaps([healthy, collapsed], theme, first=10, last=19)
    assert [list(trace.x) for trace in figure.data] == [list(range(10, 20))] * 2
    assert figure.data[0].y == figure.data[1].y
    np.testing.assert_allclose(np.array(figure.data[0].customdata)[0], healthy.gradient_norms.iloc[10:20, 0], rtol=1e-6)
    others = []
    for place in range(MOST - 1):
        simulated.interrupted(tmp_path / f"other {place}")
        others.append(type(healthy)(tmp_path / f"other {place}"))
    figure = compare_heatmaps([healthy, collapsed, *others])
    assert len(figure.data) == MOST
    assert "not shown: other 2" in note(figure)
