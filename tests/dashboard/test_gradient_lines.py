import re
from contextlib import closing

import numpy as np
import pandas as pd
from flatline.dashboard.figures import gradient_lines, gradient_lines_figure
from flatline.dashboard.figures.gradient_lines import part_norms
from flatline.runs.log import RunLog
from flatline.runs.run import Run

PARTS = {"conv.weight": "conv", "conv.bias": "conv", "gru.weight": "rnn"}


def tables(rows=100):
    index = pd.Index(range(rows), name="iteration")
    norms = pd.DataFrame({"conv.weight": 3.0, "conv.bias": 4.0, "gru.weight": 12.0}, index=index)
    return pd.DataFrame({"gradient_norm_total": 13.0, "gradient_norm_mean": 19 / 3}, index=index), norms


def note(figure):
    return next(annotation.text for annotation in figure.layout.annotations if annotation.name == "note")


def test_total_mean_and_parts_stand_on_a_logarithmic_axis():
    figure = gradient_lines_figure(*tables(), PARTS)
    assert {trace.name: trace.y[0] for trace in figure.data} == {
        "total": 13,
        "mean": np.float32(19 / 3),
        "conv": 5,
        "rnn": 12,
    }
    assert figure.layout.yaxis.type == "log"
    assert figure.layout.xaxis.title.text == "iteration"


def test_a_part_is_nan_only_where_none_of_it_had_a_gradient():
    _, norms = tables(4)
    norms.iloc[1, 0] = np.nan
    norms.iloc[2, :2] = np.nan
    assert part_norms(norms, PARTS)["conv"].tolist()[:2] == [5, 4]
    assert np.isnan(part_norms(norms, PARTS)["conv"][2])


def test_many_points_are_thinned_and_it_is_said():
    scalars, norms = tables(20_000)
    scalars.loc[7777, "gradient_norm_total"] = 1e-9
    figure = gradient_lines_figure(scalars, norms, PARTS)
    assert figure.data[0].y.min() == np.float32(1e-9)
    assert re.search(r"[\d,]+ of 20,000 points a line \(every lowest and highest kept\)", note(figure))
    assert all(len(trace.x) <= 1200 for trace in figure.data)


def test_zeros_are_not_drawn_but_said():
    scalars, norms = tables()
    scalars.loc[50:, "gradient_norm_total"] = 0.0
    figure = gradient_lines_figure(scalars, norms, PARTS)
    assert figure.data[0].x.max() == 49
    assert "exactly zero, ▼ below the axis: total (50 iterations)" in note(figure)


def test_what_is_absent_is_said_and_the_rest_is_drawn():
    scalars, norms = tables()
    figure = gradient_lines_figure(scalars[["gradient_norm_mean"]], norms * np.nan, PARTS)
    assert [trace.name for trace in figure.data] == ["mean"]
    assert "not recorded: total" in note(figure)


def test_nothing_recorded_says_so():
    figure = gradient_lines_figure(pd.DataFrame(), pd.DataFrame(), {})
    assert "no gradient norms" in figure.layout.annotations[0].text


def test_a_gap_in_a_recorded_run_is_a_break_of_the_line(logs):
    total = gradient_lines(Run(logs / "gaps")).data[0]
    assert np.isnan(total.y).sum() == 1
    assert not ((total.x >= 200) & (total.x < 220) & ~np.isnan(total.y)).any()


def test_zeros_stand_as_triangles_at_the_foot_of_the_axis():
    scalars, norms = tables()
    norms.loc[30:, "gru.weight"] = 0.0
    drawn = {trace.name: trace for trace in gradient_lines_figure(scalars, norms, PARTS).data}
    zero = drawn["rnn is zero"]
    assert list(zero.x) == list(range(30, 100))
    assert 0 < zero.y.max() < 5
    assert zero.marker.color == drawn["rnn"].line.color
    assert "conv is zero" not in drawn


def test_a_part_of_a_long_run_runs_between_bounds_that_hold_its_norm(tmp_path):
    random = np.random.default_rng(0)
    norms = 10.0 ** random.normal(size=(5000, 3)).astype("f4")
    with closing(RunLog(tmp_path / "run", {"parameters": list(PARTS), "parameter_parts": list(PARTS.values())})) as log:
        for at, row in enumerate(norms):
            log.append({"iteration": at, "epoch": 0, "wall_time": 0.0, "skipped": False, "gradient_norm": row})
    figure = gradient_lines(Run(tmp_path / "run"))
    conv = next(trace for trace in figure.data if trace.name == "conv")
    width = int(conv.x[2] - conv.x[0])
    exact = np.hypot(norms[:, 0], norms[:, 1])
    for place, start in enumerate(conv.x[::2].astype(int)):
        low, high = conv.y[2 * place : 2 * place + 2]
        inside = exact[start : start + width]
        assert low <= inside.min() * 1.00001
        assert high >= inside.max() * 0.99999
    assert "parts: between bounds on their norm" in note(figure)
    assert "of 5,000 points" in note(figure)
    part = gradient_lines(Run(tmp_path / "run"), first=100, last=199)
    np.testing.assert_allclose(next(trace for trace in part.data if trace.name == "conv").y, exact[100:200], rtol=1e-5)
    assert "bounds" not in note(part)
