import numpy as np
import pandas as pd
import pytest
from flatline.dashboard.figures.class_shares import class_shares, class_shares_figure
from flatline.diagnostics.evaluation import evaluation_row
from flatline.runs.log import RunLog
from flatline.runs.run import Run

CLASSES = ["Bark", "Meow", "Hiss", "Purr"]
POSITIVES = pd.Series([10.0, 40.0, 30.0, 20.0], index=CLASSES)


def shares(*values):
    return pd.Series(values, index=CLASSES, dtype=float)


def traces(figure):
    return {trace.name: trace for trace in figure.data}


def predictions(figure):
    trace = traces(figure)["share of the predictions (clips with the class on top)"]
    return dict(zip(trace.x, trace.y, strict=True))


def said(figure):
    return figure.layout.annotations[0].text.replace("<br>", " ")


@pytest.fixture
def run(tmp_path):
    """Evaluations at 0 (all tied), 50 (one class), 100 (learned) and 150 (NaN)."""
    target = np.eye(4, dtype=bool)[np.repeat(np.arange(4), [1, 4, 3, 2])]
    single = np.random.default_rng(0).random((10, 4)) + np.array([0, 0, 0, 2])
    log = RunLog(tmp_path / "run", {"classes": CLASSES})
    log.append({"iteration": 0, "loss": 0.5})
    for iteration, scores in (
        (0, np.zeros((10, 4))),
        (50, single),
        (100, target * 1.0),
        (150, np.full((10, 4), np.nan)),
    ):
        log.append_evaluation({"iteration": iteration, **evaluation_row(scores, target, None, 0.5)})
    log.close()
    return Run(log.path)


def test_labels_are_bars_by_their_share_and_predictions_dots_of_the_same_classes():
    figure = class_shares_figure(shares(0.5, 0.25, 0.25, 0), POSITIVES, iteration=70)
    labels = traces(figure)["share of the labels"]
    assert list(labels.x) == ["Meow", "Hiss", "Purr", "Bark"]
    np.testing.assert_allclose(labels.y, [0.4, 0.3, 0.2, 0.1])
    assert list(labels.customdata) == [40, 30, 20, 10]
    assert predictions(figure) == {"Meow": 0.25, "Hiss": 0.25, "Purr": 0, "Bark": 0.5}
    assert figure.layout.title.text.endswith("evaluation at iteration 70")
    assert figure.layout.yaxis.tickformat == ".0%"


def test_a_stem_leads_from_a_bar_to_a_dot_above_it():
    stems = traces(class_shares_figure(shares(0.5, 0.25, 0.25, 0), POSITIVES, iteration=0))["more"]
    assert list(stems.x) == ["Bark"] * 3
    np.testing.assert_allclose(stems.y, [0.1, 0.5, np.nan])


def test_one_class_on_top_is_said_with_its_labels(run):
    figure = class_shares(run, iteration=50)
    assert predictions(figure)["Purr"] == 1
    subtitle = figure.layout.title.subtitle
    assert "<b>Purr</b> is on top of <b>100%</b> of the clips and has 20.0% of the labels" in subtitle.text
    assert subtitle.font.color != class_shares(run, iteration=100).layout.title.subtitle.font.color


def test_a_majority_that_is_on_top_with_good_reason_is_no_alarm():
    common = pd.Series([96.0, 2, 1, 1], index=CLASSES)
    figure = class_shares_figure(shares(0.97, 0.03, 0, 0), common, iteration=0)
    assert "2 of 4 classes are ever on top" in figure.layout.title.subtitle.text


def test_learning_has_its_predictions_at_the_labels(run):
    figure = class_shares(run, iteration=100)
    assert predictions(figure) == pytest.approx({"Meow": 0.4, "Hiss": 0.3, "Purr": 0.2, "Bark": 0.1})
    assert "4 of 4 classes are ever on top" in figure.layout.title.subtitle.text


def test_clips_whose_scores_are_all_equal_are_told_and_nobody_s(run):
    figure = class_shares(run, iteration=0)
    assert set(predictions(figure).values()) == {0}
    assert "No class is ever on top" in figure.layout.title.subtitle.text
    assert "100% of the clips name no class" in figure.layout.xaxis.title.text
    assert "name no class" not in class_shares(run, iteration=100).layout.xaxis.title.text


@pytest.mark.parametrize(("iteration", "nearest"), [(70, "50 and 100"), (150, "100"), (49, "0 and 50"), (5000, "100")])
def test_between_evaluations_nothing_is_drawn_and_the_nearest_are_named(run, iteration, nearest):
    figure = class_shares(run, iteration=iteration)
    assert not figure.data
    assert said(figure) == f"Nothing was recorded at iteration {iteration:,}; nearest: {nearest} (evaluations)."


def test_without_an_iteration_it_is_the_newest_evaluation_with_shares(run):
    assert "iteration 100" in class_shares(run).layout.title.text


def test_an_older_run_says_that_its_evaluations_lack_the_shares(tmp_path):
    log = RunLog(tmp_path / "run", {"classes": CLASSES})
    log.append({"iteration": 0, "loss": 0.5})
    log.append_evaluation({"iteration": 0, "lwlrap": 0.5, "class_positives": [1.0, 2.0, 3.0, 4.0]})
    log.close()
    for iteration in (None, 0, 7):
        figure = class_shares(Run(log.path), iteration=iteration)
        assert not figure.data
        assert "older Flatline" in said(figure)


def test_a_run_without_evaluations_says_so(logs):
    for name in ("own-loop", "empty"):
        figure = class_shares(Run(logs / name))
        assert not figure.data
        assert "no evaluation" in said(figure)


def test_an_evaluation_without_a_label_has_no_shares_of_labels():
    figure = class_shares_figure(shares(1, 0, 0, 0), POSITIVES * 0, iteration=3)
    assert not figure.data
    assert "No clip of that evaluation had a label" in said(figure)
