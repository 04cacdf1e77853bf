import numpy as np
import pytest
from flatline.dashboard.figures.one_ranking import constant_ranking, is_close, other_labels, verdict
from flatline.diagnostics.lwlrap import chance_level, per_class_lwlrap


def targets(n_clips, n_classes, n_labels, seed=0):
    order = np.random.default_rng(seed).random((n_clips, n_classes)).argsort(axis=1)
    return order < n_labels


@pytest.mark.parametrize("n_labels", [1, 2, 5])
def test_the_line_is_what_one_ranking_scores_on_random_labels(n_labels):
    target = targets(40_000, 12, n_labels)
    scores = np.broadcast_to(np.arange(12.0)[::-1], target.shape)
    np.testing.assert_allclose(per_class_lwlrap(scores, target), constant_ranking(12, 12, n_labels - 1), atol=0.015)


@pytest.mark.parametrize("n_labels", [1, 2, 5, 12])
def test_the_line_lies_at_chance_on_average_and_chance_tells_the_labels(n_labels):
    chance = chance_level(targets(7, 12, n_labels))
    assert constant_ranking(12, 12, n_labels - 1).mean() == pytest.approx(chance)
    assert other_labels(chance, 12) == pytest.approx(n_labels - 1)


def test_labels_are_counted_as_a_label_meets_them():
    target = np.vstack([targets(4, 12, 1), targets(4, 12, 3)])
    assert other_labels(chance_level(target), 12) == pytest.approx((4 * 0 + 12 * 2) / 16)
    assert np.isnan(other_labels(float("nan"), 12))
    assert np.isnan(other_labels(1.0, 1))


def bars(scores, target):
    return np.sort(per_class_lwlrap(scores, target))[::-1]


@pytest.mark.parametrize(("n_labels", "said"), [(1, "Follows 1/rank"), (4, "Close to the line of one fixed ranking")])
def test_one_ranking_for_all_clips_is_told_with_one_label_or_several(n_labels, said):
    target = targets(3000, 20, n_labels)
    constant = np.broadcast_to(np.random.default_rng(1).random(20), target.shape)
    text, alarming = verdict(bars(constant, target), 20, n_labels - 1)
    assert said in text
    assert alarming


@pytest.mark.parametrize(("n_labels", "said"), [(1, "Does not follow 1/rank"), (4, "Far from the line")])
def test_learning_is_not_taken_for_one_ranking(n_labels, said):
    target = targets(3000, 20, n_labels)
    learned = target + np.random.default_rng(1).normal(0, 0.5, target.shape)
    text, alarming = verdict(bars(learned, target), 20, n_labels - 1)
    assert said in text
    assert not alarming


def test_single_class_collapse_is_not_one_ranking():
    target = targets(3000, 20, 1)
    scores = np.random.default_rng(1).random(target.shape) + target * 0.3
    scores[:, 0] = 9.0
    found = bars(scores, target)
    assert found[0] == 1
    assert found[1] <= 0.5
    assert "Does not follow 1/rank" in verdict(found, 20, 0.0)[0]


def test_bars_just_beyond_the_diagnosis_s_limit_are_called_close():
    line = constant_ranking(40, 40, 0.0)
    assert "Follows" in verdict(line * np.exp(0.09), 40, 0.0)[0]
    text, alarming = verdict(line * np.exp(0.2), 40, 0.0)
    assert "Close to 1/rank</b> (off by 0.20; the diagnosis's limit is 0.10)" in text
    assert alarming
    assert not is_close(line * np.exp(1.0), line)


def test_clips_that_have_nearly_every_label_are_no_collapse():
    """One ranking and perfect scores are nearly the same there: perfect ones must not be called collapsed."""
    assert verdict(np.ones(10), 10, 8.5)[1] is False


def test_few_classes_have_no_shape():
    text, alarming = verdict(np.linspace(1, 0.2, 7), 7, 0.0)
    assert "8 classes" in text
    assert not alarming
