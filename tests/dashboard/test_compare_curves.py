"""Curves of runs and of groups of runs over the same iterations."""

import re
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from flatline.dashboard.figures.compare_curves import HEIGHT, MOST, common_levels, compare_curves, compare_curves_figure
from flatline.dashboard.figures.compare_lines import curves_of
from flatline.diagnostics.errors import UnknownNameError
from flatline.runs.log import RunLog
from flatline.runs.run import Run

PARTS = {"gru.weight": "rnn", "gru.bias": "rnn", "head.weight": "head"}


def written(path, n=100, loss=0.5, norms=(3.0, 4.0, 12.0), scores=(0.3, 0.5), chance=0.2, every=1, recipe=None, **more):
    """A run with one loss and one gradient norm throughout, and evaluations at 0, 50 ..."""
    info = {"parameters": list(PARTS), "parameter_parts": list(PARTS.values()), "classes": ["a", "b"], "recipe": recipe}
    log = RunLog(path, info)
    for iteration in range(0, n, every):
        at = loss(iteration) if callable(loss) else loss
        row = {"iteration": iteration, "epoch": 0, "wall_time": 1.0, "loss": at, "skipped": False, **more}
        log.append({**row, "gradient_norm": list(norms), "gradient_norm_total": float(np.linalg.norm(norms))})
    for place, score in scores.items() if isinstance(scores, dict) else enumerate(scores):
        log.append_evaluation(
            {"iteration": int(50 * place), "wall_time": 1.0, "lwlrap": score, "chance": chance, "constant": 0.25}
        )
    log.close()
    return Run(path)


def drawn(figure, axis):
    """Lines of one panel by label."""
    return {
        trace.name: trace
        for trace in figure.data
        if (trace.yaxis or "y") == axis and trace.fill is None and trace.hoverinfo != "skip"
    }


def said(figure):
    return " ".join(note.text for note in figure.layout.annotations)


def test_each_run_has_one_colour_and_dash_in_all_panels_and_one_name_in_the_legend(tmp_path):
    runs = [written(tmp_path / name, loss=loss) for name, loss in {"a": 0.5, "b": 0.1}.items()]
    figure = compare_curves(runs)
    panels = [drawn(figure, axis) for axis in ("y", "y2", "y3", "y4")]
    assert [list(panel) for panel in panels] == [["a", "b"]] * 4
    for name in ("a", "b"):
        assert len({(panel[name].line.color, panel[name].line.dash) for panel in panels}) == 1
    assert panels[0]["a"].line.color != panels[0]["b"].line.color
    assert panels[0]["a"].line.dash != panels[0]["b"].line.dash
    assert sorted(trace.name for trace in figure.data if trace.showlegend) == ["a", "b"]


def test_the_panels_hold_score_loss_total_norm_and_the_norm_of_the_rnn_on_one_axis(tmp_path):
    figure = compare_curves([written(tmp_path / "a")])
    values = {"y": [0.3, 0.5], "y2": 0.5, "y3": 13.0, "y4": 5.0}
    for axis, expected in values.items():
        np.testing.assert_allclose(drawn(figure, axis)["a"].y, expected, rtol=1e-6)
    assert list(drawn(figure, "y")["a"].x) == [0, 50]
    assert {trace.xaxis or "x" for trace in figure.data} == {"x"}
    assert figure.layout.xaxis.title.text == "iteration"
    assert figure.layout.xaxis.range is None
    assert [figure.layout[f"yaxis{place}"].type for place in ("", 2, 3, 4)] == [None, "log", "log", "log"]
    assert [figure.layout[f"yaxis{place}"].title.text for place in ("", 2, 3, 4)] == ["score", "loss", *["L2 norm"] * 2]
    domains = [figure.layout[f"yaxis{place}"].domain for place in ("", 2, 3, 4)]
    assert all(upper[0] > lower[1] for upper, lower in pairwise(domains))
    assert figure.layout.height == HEIGHT


def test_levels_are_drawn_where_the_runs_agree_and_otherwise_said(tmp_path):
    same = [written(tmp_path / name) for name in ("a", "b")]
    figure = compare_curves(same)
    levels = {trace.name: trace for trace in figure.data if trace.hoverinfo == "skip"}
    assert {name: set(np.round(trace.y, 6)) for name, trace in levels.items()} == {
        "chance": {0.2},
        "constant level": {0.25},
    }
    assert "chance 0.200" in said(figure)
    figure = compare_curves([*same, written(tmp_path / "c", chance=0.4)])
    assert "chance differs, not drawn" in said(figure)
    assert "chance" not in {trace.name for trace in figure.data}
    assert "constant level 0.250" in said(figure)


def test_a_level_that_no_run_has_is_left_out():
    table = pd.DataFrame({"chance": [np.nan], "constant": [0.3]}, index=[0])
    assert common_levels([table, table]) == {"constant": 0.3}


def test_a_group_is_the_median_of_its_runs_between_the_lowest_and_the_highest(tmp_path):
    recipe = {"loss": "bce", "learning_rate": 0.1}
    runs = [
        written(tmp_path / f"s-{seed}", loss=loss, scores=(0.1 * seed, 0.2), recipe={**recipe, "seed": seed})
        for seed, loss in enumerate((0.1, 0.2, 0.9))
    ]
    figure = compare_curves(runs, by="seed")
    assert list(drawn(figure, "y2")) == ["s · 3 runs"]
    np.testing.assert_allclose(drawn(figure, "y2")["s · 3 runs"].y, 0.2, rtol=1e-6)
    (band,) = [trace for trace in figure.data if trace.fill and trace.yaxis == "y2"]
    assert sorted(set(np.round(band.y, 3))) == [0.1, 0.9]
    assert band.showlegend is False
    np.testing.assert_allclose(drawn(figure, "y")["s · 3 runs"].y, [0.1, 0.2])
    assert "median of a group's runs" in said(figure)


def test_a_group_ends_where_its_shortest_run_does_and_has_only_what_all_recorded(tmp_path):
    runs = [written(tmp_path / "s-0", n=100, scores=(0.1, 0.2, 0.3)), written(tmp_path / "s-1", n=60, every=2)]
    curves = curves_of({"s": runs})
    assert curves["loss"]["s"].index.tolist() == list(range(0, 59, 2))
    assert curves["lwlrap"]["s"].index.tolist() == [0, 50]
    assert curves["gradient_norm.rnn"]["s"].value.tolist() == pytest.approx([5.0] * 30)


def test_a_group_of_long_runs_has_the_extremes_of_all_of_them(tmp_path):
    runs = [
        written(tmp_path / f"s-{at}", n=5000 + 500 * at, loss=lambda i, at=at: 9.0 if i == 2345 + at else 1.0 + at)
        for at in range(3)
    ]
    table = curves_of({"s": runs})["loss"]["s"]
    assert len(table) < 700
    assert table.highest.max() == 9
    assert set(table.lowest) == {1.0}
    assert table.value.median() == 2.0
    assert table.attrs["iterations"] == 5000


def test_a_long_run_is_a_band_that_hides_no_other_with_every_extreme(tmp_path):
    run = written(tmp_path / "a", n=5000, loss=lambda i: 9.0 if i == 2345 else 1.0 + i % 2)
    figure = compare_curves([run])
    (band,) = [trace for trace in figure.data if trace.fill and trace.yaxis == "y2"]
    assert (np.max(band.y), np.min(band.y)) == (9, 1)
    assert np.median(drawn(figure, "y2")["a"].y) == pytest.approx(1.5, abs=0.1)
    assert re.search(r"of each bin: mean, lowest to highest .* · \d+ of 5,000 points", said(figure))
    assert not [trace for trace in compare_curves([run], first=100, last=200).data if trace.fill]


def test_a_group_with_a_run_that_recorded_nothing_is_empty(tmp_path):
    curves = curves_of({"s": [written(tmp_path / "s-0"), written(tmp_path / "s-1", n=0, scores=())]})
    assert all(table["s"].empty for table in curves.values())


def test_an_evaluation_made_again_counts_once(tmp_path):
    run = written(tmp_path / "a", scores={0: 0.3, 1: 0.5, 1.001: 0.9})
    assert run.evaluations.index.tolist() == [0, 50, 50]
    curves = curves_of({"a": [run], "both": [run, written(tmp_path / "b")]})
    assert curves["lwlrap"]["a"].value.tolist() == pytest.approx([0.3, 0.9])
    assert curves["lwlrap"]["both"].highest.tolist() == pytest.approx([0.3, 0.9])


def test_a_stretch_is_read_alone(tmp_path):
    curves = curves_of({"a": [written(tmp_path / "a", n=300)]}, 100, 120)
    assert curves["loss"]["a"].index.tolist() == list(range(100, 121))


def test_zeros_stand_below_a_logarithmic_axis_and_a_loss_below_zero_makes_it_linear(tmp_path):
    dead = written(tmp_path / "dead", norms=(0.0, 0.0, 1.0), loss=-1.0)
    figure = compare_curves([dead, written(tmp_path / "alive")])
    assert "exactly zero, ▼ below the axis: dead" in said(figure)
    foot = drawn(figure, "y4")["dead is zero"]
    assert set(foot.marker.symbol if isinstance(foot.marker.symbol, tuple) else [foot.marker.symbol]) == {
        "triangle-down"
    }
    assert 0 < foot.y[0] < 5
    assert figure.layout.yaxis2.type is None
    assert drawn(figure, "y2")["dead"].y[0] == -1


def test_what_none_of_the_runs_recorded_is_said_in_its_place(tmp_path):
    figure = compare_curves([written(tmp_path / "a", scores=())])
    assert "none of these runs recorded it" in said(figure)
    assert not drawn(figure, "y")
    assert drawn(figure, "y2")


def test_runs_without_anything_say_so(tmp_path):
    figure = compare_curves([written(tmp_path / "a", n=0, scores=())])
    assert not figure.data
    assert "None of these runs holds" in said(figure)


def test_more_runs_than_can_be_told_apart_are_left_out_and_said(tmp_path):
    run = written(tmp_path / "a", n=3)
    tables = {str(place): curves_of({"a": [run]})["loss"]["a"] for place in range(3)}
    assert len(drawn(compare_curves_figure({"loss": tables}), "y2")) == 3
    many = [written(tmp_path / f"m{place}", n=2) for place in range(MOST + 2)]
    figure = compare_curves(many)
    assert len(drawn(figure, "y2")) == MOST
    assert "2 more left out" in said(figure)


def test_a_key_that_no_run_has_is_an_error_that_lists_the_known(tmp_path):
    with pytest.raises(UnknownNameError, match="known: architecture, attention, head"):
        compare_curves([written(tmp_path / "a")], by="colour")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_recorded_runs_are_drawn(healthy, collapsed, theme):
    figure = compare_curves([healthy, collapsed], theme, by="attention")
    assert len(drawn(figure, "y")) == 1
    assert len(drawn(compare_curves([healthy, collapsed], theme), "y4")) == 2
