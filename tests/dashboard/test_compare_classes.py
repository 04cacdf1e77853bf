"""lwlrap by class of several runs at one evaluation."""

import numpy as np
import pandas as pd
import pytest
from flatline.dashboard.figures.compare_classes import MOST, compare_classes, compare_classes_figure
from flatline.runs.log import RunLog
from flatline.runs.run import Run

CLASSES = ["bark", "chirp", "drip"]


def written(path, evaluations, classes=CLASSES):
    """A run whose evaluations are {iteration: scores by class}."""
    log = RunLog(path, {"parameters": [], "classes": classes})
    for iteration, scores in evaluations.items():
        log.append_evaluation({"iteration": int(iteration), "wall_time": 1.0, "lwlrap": 0.5, "class_lwlrap": scores})
    log.close()
    return Run(path)


def scores(**runs):
    return pd.DataFrame(runs, index=CLASSES)


def by_name(figure):
    return {trace.name: trace for trace in figure.data}


def said(figure):
    return " ".join(note.text.replace("<br>", " ") for note in figure.layout.annotations)


def test_classes_stand_in_the_order_of_their_differences_with_a_mark_a_run():
    figure = compare_classes_figure(scores(a=[0.5, 0.1, 0.4], b=[0.52, 0.9, 0.1]), iteration=50)
    found = by_name(figure)
    assert list(found["a"].y) == ["chirp", "drip", "bark"]
    assert list(found["a"].x) == [0.1, 0.4, 0.5]
    assert list(found["b"].x) == [0.9, 0.1, 0.52]
    assert list(found["difference"].text) == ["0.80", "0.30", "0.02"]
    assert figure.layout.yaxis.tickvals == ("chirp", "drip", "bark")
    assert figure.layout.yaxis.range[0] > figure.layout.yaxis.range[1]
    assert figure.layout.title.text.endswith("at iteration 50")
    assert set(found) == {"a", "b", "differs", "alike", "difference"}


def test_classes_that_differ_are_marked_and_counted():
    figure = compare_classes_figure(scores(a=[0.5, 0.1, 0.4], b=[0.52, 0.9, 0.1]), iteration=50)
    found = by_name(figure)
    np.testing.assert_array_equal(found["differs"].x, [0.1, 0.9, np.nan, 0.1, 0.4, np.nan])
    assert list(found["differs"].y) == ["chirp"] * 3 + ["drip"] * 3
    assert list(found["alike"].y) == ["bark"] * 3
    assert found["differs"].line.width > found["alike"].line.width
    assert "2 of 3 classes differ by 0.1 or more" in said(figure)


def test_runs_are_told_apart_by_colour_and_by_symbol():
    found = by_name(compare_classes_figure(scores(a=[0.5] * 3, b=[0.5] * 3), iteration=1))
    assert found["a"].marker.color != found["b"].marker.color
    assert found["a"].marker.symbol != found["b"].marker.symbol


def test_a_class_of_one_run_alone_is_last_and_one_without_a_score_is_left_out():
    figure = compare_classes_figure(scores(a=[np.nan, 0.5, np.nan], b=[0.9, 0.5, np.nan]), iteration=1)
    found = by_name(figure)
    assert list(found["b"].y) == ["chirp", "bark"]
    assert list(found["difference"].text) == ["0.00", "–"]
    np.testing.assert_array_equal(found["a"].x, [0.5, np.nan])
    assert "1 without a score left out" in said(figure)
    nothing = compare_classes_figure(scores(a=[np.nan] * 3, b=[np.nan] * 3), iteration=7)
    assert "No class has a score at iteration 7" in said(nothing)


def test_eighty_classes_each_have_a_row_that_can_be_read():
    many = pd.DataFrame({"a": np.linspace(0, 1, 80), "b": 0.5}, index=[f"class {place}" for place in range(80)])
    figure = compare_classes_figure(many, iteration=1)
    assert len(figure.layout.yaxis.tickvals) == 80
    assert figure.layout.height >= 80 * 14


def test_without_an_iteration_it_is_the_last_evaluation_that_all_have(tmp_path):
    first = written(tmp_path / "a", {0: [0.1] * 3, 50: [0.2] * 3, 100: [0.3] * 3})
    second = written(tmp_path / "b", {0: [0.4] * 3, 50: [0.5] * 3, 75: [0.6] * 3})
    figure = compare_classes([first, second])
    assert "at iteration 50" in figure.layout.title.text
    np.testing.assert_allclose(by_name(figure)["a"].x, 0.2, rtol=1e-6)
    np.testing.assert_allclose(by_name(figure)["b"].x, 0.5, rtol=1e-6)


def test_at_an_iteration_without_an_evaluation_it_says_who_has_none_and_the_nearest(tmp_path):
    first = written(tmp_path / "a", {0: [0.1] * 3, 50: [0.2] * 3, 100: [0.3] * 3})
    second = written(tmp_path / "b", {0: [0.4] * 3, 100: [0.5] * 3})
    figure = compare_classes([first, second], iteration=50)
    assert not figure.data
    assert "No evaluation at iteration 50 in b; all runs have one at 0 and 100." in said(figure)
    assert "at iteration 100" in compare_classes([first, second], iteration=100).layout.title.text


def test_runs_that_share_no_evaluation_or_have_none_say_so(tmp_path):
    first, second = written(tmp_path / "a", {10: [0.1] * 3}), written(tmp_path / "b", {20: [0.1] * 3})
    assert "no evaluation at the same iteration" in said(compare_classes([first, second]))
    assert "there is none at which all have one" in said(compare_classes([first, second], iteration=10))
    empty = written(tmp_path / "c", {})
    assert "no lwlrap by class: c" in said(compare_classes([first, empty]))
    assert compare_classes([first, empty]).data
    assert "No lwlrap by class was recorded at any evaluation of these runs" in said(compare_classes([empty]))


def test_classes_that_only_some_runs_have_stand_with_those_alone(tmp_path):
    first = written(tmp_path / "a", {0: [0.1, 0.2]}, ["bark", "chirp"])
    second = written(tmp_path / "b", {0: [0.3, 0.4]}, ["chirp", "drip"])
    found = by_name(compare_classes([first, second]))
    assert found["a"].y[0] == "chirp"
    assert sorted(found["a"].y) == CLASSES
    assert np.isnan(np.array(found["a"].x, dtype=float)).sum() == 1


def test_an_evaluation_made_again_counts_once(tmp_path):
    first = written(tmp_path / "a", {0: [0.1] * 3, 0.5: [0.7] * 3})
    assert first.evaluation_lwlrap.index.tolist() == [0, 0]
    figure = compare_classes([first, written(tmp_path / "b", {0: [0.4] * 3})])
    np.testing.assert_allclose(by_name(figure)["a"].x, 0.7, rtol=1e-6)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_more_runs_than_symbols_are_left_out_and_said(tmp_path, theme):
    runs = [written(tmp_path / f"r{place}", {0: [place / 10] * 3}) for place in range(MOST + 1)]
    figure = compare_classes(runs, theme)
    assert len([trace for trace in figure.data if trace.mode == "markers"]) == MOST
    assert "1 more runs left out" in said(figure)
