import numpy as np
import pandas as pd
import pytest
from flatline.dashboard.figures.class_lwlrap import MOST_BARS, class_lwlrap, class_lwlrap_figure
from flatline.runs.log import RunLog
from flatline.runs.run import Run

K = 12
CLASSES = [f"class {index}" for index in range(K)]
RANKING = 1 / np.arange(1.0, K + 1)


def by_class(values):
    return pd.Series(values, index=CLASSES, dtype=float)


def traces(figure):
    return {trace.name: trace for trace in figure.data}


def said(figure):
    return figure.layout.annotations[0].text.replace("<br>", " ")


@pytest.fixture
def run(tmp_path):
    """250 iterations whose running lwlrap begins late, evaluations at 0, 100 and 200 (twice) and 250; 150's is NaN."""
    log = RunLog(tmp_path / "run", {"classes": CLASSES})
    for iteration in range(250):
        running = np.full(K, np.nan if iteration < 10 or iteration == 60 else iteration / 250)
        log.append({"iteration": iteration, "loss": 0.5, "running_lwlrap": running})
        if iteration in (0, 100, 150, 200):
            score = np.nan if iteration == 150 else 0.9
            log.append_evaluation(
                {"iteration": iteration, "chance": 0.2 + iteration / 1000, "class_lwlrap": np.full(K, score)}
            )
    log.append_evaluation({"iteration": 200, "chance": 0.5, "class_lwlrap": np.full(K, 0.7)})
    log.append_evaluation({"iteration": 250, "chance": 0.3, "class_lwlrap": RANKING})
    log.close()
    return Run(log.path)


def test_bars_are_sorted_and_under_the_line_of_one_ranking_and_chance():
    shuffled = np.random.default_rng(0).permutation(RANKING * 0.9)
    figure = class_lwlrap_figure(by_class(shuffled), iteration=40, chance=0.2586)
    drawn = traces(figure)
    np.testing.assert_allclose(drawn["lwlrap"].y, RANKING * 0.9)
    assert list(drawn["lwlrap"].x) == [CLASSES[place] for place in np.argsort(-shuffled)]
    np.testing.assert_allclose(drawn["1/rank: one fixed ranking for all clips"].y, RANKING)
    assert list(drawn["chance 0.259: random ranking"].y) == [0.2586] * K
    assert figure.layout.title.text == "lwlrap by class: evaluation at iteration 40"
    assert figure.layout.yaxis.range == (0, 1.02)


def test_of_clips_with_several_labels_their_own_line_is_drawn_beside_1_rank():
    drawn = traces(class_lwlrap_figure(by_class(RANKING), iteration=0, chance=0.5))
    np.testing.assert_allclose(drawn["1/rank, one label a clip"].y, RANKING)
    line = drawn["one fixed ranking, these labels"].y
    assert (line[1:] > RANKING[1:]).all()
    assert line.mean() == pytest.approx(0.5)


def test_the_figure_says_whether_the_bars_follow_1_rank():
    constant = class_lwlrap_figure(by_class(RANKING), iteration=0).layout.title.subtitle
    assert "Follows 1/rank" in constant.text
    assert "no class is tagged" in constant.text
    learned = class_lwlrap_figure(by_class(np.linspace(1, 0.6, K)), iteration=0).layout.title.subtitle
    assert "Does not follow 1/rank" in learned.text
    assert constant.font.color != learned.font.color


def test_a_class_without_a_positive_clip_has_no_bar_and_is_counted():
    figure = class_lwlrap_figure(by_class([np.nan, *RANKING[1:]]), iteration=0)
    assert CLASSES[0] not in traces(figure)["lwlrap"].x
    assert "11 of 12 classes · 1 had no positive clip · not recorded: chance" in figure.layout.xaxis.title.text


def test_of_very_many_classes_the_best_are_drawn_and_the_figure_says_so():
    values = pd.Series(np.linspace(0, 1, 5000), index=[f"word {index}" for index in range(5000)])
    figure = class_lwlrap_figure(values, iteration=0)
    assert len(traces(figure)["lwlrap"].x) == MOST_BARS
    assert traces(figure)["lwlrap"].y.min() > 0.8
    assert f"{MOST_BARS} of 5,000 classes" in figure.layout.xaxis.title.text


def test_an_evaluation_at_the_iteration_is_taken_the_last_one_of_two(run):
    figure = class_lwlrap(run, iteration=200)
    assert set(traces(figure)["lwlrap"].y) == {np.float32(0.7)}
    assert figure.layout.title.text == "lwlrap by class: evaluation at iteration 200"
    assert "chance 0.500: random ranking" in traces(figure)
    assert "chance 0.300: random ranking" in traces(class_lwlrap(run, iteration=100))


def test_without_an_evaluation_there_it_is_the_batches_of_exactly_that_iteration(run):
    for iteration in (99, 150):  # the evaluation at 150 was NaN
        figure = class_lwlrap(run, iteration=iteration)
        assert set(traces(figure)["lwlrap"].y) == {np.float32(iteration / 250)}
        assert figure.layout.title.text == f"lwlrap by class: batches up to iteration {iteration}"
        assert "over the newest 50 iterations" in figure.layout.xaxis.title.text


@pytest.mark.parametrize(
    ("iteration", "nearest"),
    [
        (5, "nearest: 0 and 100 (evaluations), 10 (batches)."),
        (60, "nearest: 0 and 100 (evaluations), 59 and 61 (batches)."),
        (4000, "nearest: 250 (evaluations), 249 (batches)."),
    ],
)
def test_where_nothing_was_recorded_nothing_is_drawn_and_the_nearest_are_named(run, iteration, nearest):
    figure = class_lwlrap(run, iteration=iteration)
    assert not figure.data
    assert said(figure) == f"Nothing was recorded at iteration {iteration:,}; {nearest}"


def test_without_an_iteration_it_is_the_newest_evaluation(run):
    figure = class_lwlrap(run)
    np.testing.assert_allclose(traces(figure)["lwlrap"].y, RANKING, rtol=1e-6)
    assert "iteration 250" in figure.layout.title.text


def test_a_run_with_batches_alone_shows_them_without_chance(tmp_path):
    log = RunLog(tmp_path / "run", {"classes": CLASSES})
    log.append({"iteration": 0, "loss": 0.5, "running_lwlrap": RANKING})
    log.close()
    figure = class_lwlrap(Run(log.path))
    assert "batches up to iteration 0" in figure.layout.title.text
    assert not any(name.startswith("chance") for name in traces(figure))
    assert "not recorded: chance" in figure.layout.xaxis.title.text


@pytest.mark.parametrize("iteration", [None, 30])
def test_a_run_without_classes_says_what_to_pass(logs, iteration):
    for name in ("own-loop", "empty"):
        figure = class_lwlrap(Run(logs / name), iteration=iteration)
        assert not figure.data
        assert "pass logits= or probabilities= and target=" in said(figure)
