import numpy as np
import pytest
from flatline.diagnostics.signals import Batch, ClassScores
from flatline.diagnostics.signals.classes import WINDOW

N_CLASSES = 6


def batches(n_batches, seed=0):
    """Batches of all sizes; class 4 is rare, class 5 has positives in the first ten alone."""
    rng = np.random.default_rng(seed)
    for number in range(n_batches):
        n_clips = int(rng.integers(1, 9))
        target = rng.random((n_clips, N_CLASSES)) < [0.6, 0.3, 0.3, 0.1, 0.004, 0.5 if number < 10 else 0]
        yield rng.standard_normal((n_clips, N_CLASSES)).astype(np.float32), target


def slow_precisions(outputs, target):
    """[class] list of the precisions at the rank of each positive clip of the class."""
    found = [[] for _ in range(target.shape[1])]
    for scores, labels in zip(outputs.tolist(), target.tolist(), strict=True):
        for label in np.flatnonzero(labels):
            above = [place for place, score in enumerate(scores) if score >= scores[label]]
            found[label].append(sum(labels[place] for place in above) / len(above))
    return found


def over(newest):
    """(class,) mean of all precisions of some batches, NaN without one."""
    pooled = [[each for batch in newest for each in batch[label]] for label in range(N_CLASSES)]
    return np.array([sum(each) / len(each) if each else np.nan for each in pooled])


def values_of(signal, outputs, target):
    return signal.collect(Batch(0, None, outputs, target, None), {})


def test_the_window_is_the_fifty_iterations_that_the_documentation_says():
    assert WINDOW == 50


def test_it_weighs_every_positive_of_exactly_the_newest_iterations_the_same():
    signal, seen, differs = ClassScores(), [], 0
    for outputs, target in batches(3 * WINDOW):
        values = values_of(signal, outputs, target)
        seen.append(slow_precisions(outputs, target))
        np.testing.assert_allclose(values["running_lwlrap"], over(seen[-WINDOW:]), rtol=1e-9)
        np.testing.assert_allclose(values["lwlrap"], over(seen[-1:]), rtol=1e-9)
        differs += not np.allclose(values["running_lwlrap"], values["lwlrap"], equal_nan=True)
    assert differs > 2 * WINDOW  # the batch's own value is another
    for other in (WINDOW - 1, WINDOW + 1):
        assert not np.allclose(values["running_lwlrap"], over(seen[-other:]), rtol=1e-9, equal_nan=True)


def test_a_class_whose_positives_have_left_the_window_is_nan_and_not_zero():
    signal, seen = ClassScores(), []
    for outputs, target in batches(2 * WINDOW):
        seen.append(values_of(signal, outputs, target)["running_lwlrap"][5])
    assert np.isfinite(seen[10:WINDOW]).all()
    assert np.isnan(seen[WINDOW + 10 :]).all()


def test_a_batch_without_a_class_leaves_the_class_where_it_was():
    signal = ClassScores()
    values_of(signal, np.array([[0.1, 0.9]]), np.array([[True, False]]))
    values = values_of(signal, np.array([[0.1, 0.9]]), np.array([[False, True]]))
    assert np.isnan(values["lwlrap"][0])
    assert values["running_lwlrap"].tolist() == [0.5, 1]


def test_a_batch_whose_scores_hold_nan_counts_for_no_class_and_is_an_iteration_of_the_window():
    signal, seen = ClassScores(), []
    for number, (outputs, target) in enumerate(batches(2 * WINDOW + 20)):
        if number % 7 == 3:
            outputs[0, 0] = np.nan
        seen.append([[]] * N_CLASSES if np.isnan(outputs).any() else slow_precisions(outputs, target))
        values = values_of(signal, outputs, target)
        np.testing.assert_allclose(values["running_lwlrap"], over(seen[-WINDOW:]), rtol=1e-9)


@pytest.mark.parametrize("cut", [3, WINDOW, WINDOW + 30])
def test_a_signal_that_was_resumed_goes_on_to_the_same_bits(cut):
    whole, before, after = ClassScores(), ClassScores(), ClassScores()
    for number, (outputs, target) in enumerate(batches(2 * WINDOW + 10)):
        if number == cut:
            after.load_state(before.state())
        expected = values_of(whole, outputs, target)["running_lwlrap"]
        found = values_of(before if number < cut else after, outputs, target)["running_lwlrap"]
        np.testing.assert_array_equal(found, expected)
