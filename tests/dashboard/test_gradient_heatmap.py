from contextlib import closing

import numpy as np
import pandas as pd
import pytest
from flatline.dashboard.figures import gradient_heatmap, gradient_heatmap_figure
from flatline.dashboard.figures.gradient_heatmap import data_flow_order, shortened
from flatline.dashboard.figures.theme import DARK, LIGHT
from flatline.diagnostics.errors import UnknownNameError
from flatline.runs.log import RunLog
from flatline.runs.run import Run

PARTS = {"fc.weight": "head", "gru.weight": "rnn", "conv.weight": "conv", "conv.bias": "conv"}


def norms(rows=100):
    values = 10.0 ** -np.arange(1, 5) * np.ones((rows, 1))
    return pd.DataFrame(values.astype("f4"), index=pd.Index(range(rows), name="iteration"), columns=list(PARTS))


def notes(figure):
    return " ".join(annotation.text for annotation in figure.layout.annotations if annotation.name == "note")


def test_rows_are_in_data_flow_order_and_each_part_is_named():
    figure = gradient_heatmap_figure(norms(), PARTS)
    assert list(figure.data[0].y) == ["conv.weight", "conv.bias", "gru.weight", "fc.weight"]
    assert [shape.name for shape in figure.layout.shapes if shape.name] == ["conv", "rnn", "head"]
    assert figure.layout.yaxis.range == (3.5, -0.5)


def test_colours_are_the_logarithm_and_hover_gives_the_norm():
    figure = gradient_heatmap_figure(norms(), PARTS)
    trace = figure.data[0]
    np.testing.assert_allclose(trace.z[:, 0], [-3, -4, -2, -1], atol=1e-6)
    np.testing.assert_allclose(trace.customdata[:, 0], [1e-3, 1e-4, 1e-2, 1e-1])
    assert trace.colorbar.ticktext[0] == "1e-5"
    assert "%{y}" in trace.hovertemplate
    assert "%{customdata" in trace.hovertemplate


def test_columns_are_the_lowest_of_their_iterations_and_it_is_said():
    table = norms(5000)
    table.iloc[4321, 0] = 1e-6
    figure = gradient_heatmap_figure(table, PARTS, columns=100)
    trace = figure.data[0]
    row = list(trace.y).index("fc.weight")
    assert trace.customdata[row].min() == np.float32(1e-6)
    assert trace.customdata[row].argmin() == 4321 // 50
    assert "100 of 5,000 iterations" in notes(figure)
    assert "lowest of 50" in trace.hovertemplate


def test_no_gradient_stays_a_gap_and_is_said_to_be_grey():
    table = norms()
    table.iloc[:30, 1] = np.nan
    table["conv.bias"] = np.nan
    figure = gradient_heatmap_figure(table, PARTS)
    rows = {name: np.isnan(values).sum() for name, values in zip(figure.data[0].y, figure.data[0].z, strict=True)}
    assert rows == {"conv.weight": 0, "conv.bias": 100, "gru.weight": 30, "fc.weight": 0}
    assert "grey: no gradient recorded (2 of 4 parameters, 1 never)" in notes(figure)
    assert figure.layout.plot_bgcolor == LIGHT.missing


def test_a_norm_of_zero_is_the_darkest_colour_and_not_a_gap():
    table = norms()
    table.iloc[50:, 0] = 0.0
    trace = gradient_heatmap_figure(table, PARTS).data[0]
    row = list(trace.y).index("fc.weight")
    assert (trace.z[row, 50:] == trace.zmin).all()
    assert (trace.customdata[row, 50:] == 0).all()


@pytest.mark.parametrize("value", [np.inf, 0.0, 1e-30, 1e30])
def test_extreme_norms_are_drawn(value):
    table = norms()
    table.iloc[:, 0] = value
    trace = gradient_heatmap_figure(table, PARTS).data[0]
    assert trace.zmin < trace.zmax
    assert np.isfinite(trace.z).all()


def test_a_run_without_norms_says_so():
    figure = gradient_heatmap_figure(norms() * np.nan, PARTS)
    assert not figure.data
    assert "holds no gradient norms" in figure.layout.annotations[0].text


def test_a_network_whose_parts_are_unknown_is_drawn_without_them():
    figure = gradient_heatmap_figure(norms(), {})
    assert list(figure.data[0].y) == list(PARTS)
    assert not figure.layout.shapes


def test_dark_and_light_differ_and_a_third_theme_is_refused(healthy):
    assert gradient_heatmap(healthy, "dark").layout.template.layout.paper_bgcolor == DARK.paper
    assert gradient_heatmap(healthy).layout.template.layout.paper_bgcolor == LIGHT.paper
    with pytest.raises(UnknownNameError, match="dark, light"):
        gradient_heatmap(healthy, "sepia")


def test_a_recorded_run_shows_its_gaps(logs):
    trace = gradient_heatmap(Run(logs / "gaps")).data[0]
    assert np.isnan(trace.z[0]).all()
    assert np.isnan(trace.z[:, 200:220]).all()


def test_the_zoom_belongs_to_the_run(healthy, collapsed):
    revisions = {gradient_heatmap(run).layout.uirevision for run in (healthy, collapsed, healthy)}
    assert revisions == {healthy.name, collapsed.name}


def test_long_names_keep_what_tells_them_apart():
    names = [
        "model.blocks.0.attention.input_localisation.projection.weight",
        "model.blocks.0.attention.input_attention.projection.weight",
    ]
    short = [shortened(name) for name in names]
    assert len(set(short)) == 2
    assert all(len(name) <= 42 for name in short)
    assert shortened("x" * 100).count("…") == 1


def test_data_flow_order_keeps_the_order_within_a_part():
    assert data_flow_order(["b", "a", "c"], {"b": "rnn", "a": "rnn", "c": "conv"}) == ["c", "b", "a"]


def test_a_long_run_is_drawn_from_its_lowest_and_says_of_how_many_iterations(tmp_path):
    info = {"parameters": list(PARTS), "parameter_parts": list(PARTS.values())}
    with closing(RunLog(tmp_path / "run", info)) as log:
        for at in range(4000):
            values = np.full(4, 1e-9 if at == 2345 else np.nan if 1000 <= at < 1100 else 1e-2)
            log.append({"iteration": at, "epoch": 0, "wall_time": 0.0, "skipped": False, "gradient_norm": values})
    figure = gradient_heatmap(Run(tmp_path / "run"))
    trace = figure.data[0]
    width = trace.x[1] - trace.x[0]
    assert trace.z.shape[1] <= 1200
    assert abs(trace.x[np.nanargmin(trace.customdata[0])] - 2345) <= width / 2
    assert np.isnan(trace.z[:, (trace.x > 1000 + width) & (trace.x < 1100 - width)]).all()
    assert f"{len(trace.x):,} of 4,000 iterations (each column the lowest of {width:.0f})" in notes(figure)
    zoomed = gradient_heatmap(Run(tmp_path / "run"), first=2300, last=2399)
    assert list(zoomed.data[0].x) == list(range(2300, 2400))
    assert "100 of 100 iterations" in notes(zoomed)
