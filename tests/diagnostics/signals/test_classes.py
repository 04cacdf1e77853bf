import numpy as np
from flatline.diagnostics.lwlrap import per_class_lwlrap
from flatline.diagnostics.signals import Batch, ClassScores


def collected(outputs, target):
    return ClassScores().collect(Batch(0, None, outputs, target, None), {})


def test_the_batch_s_lwlrap_by_class_stands_beside_its_positives():
    rng = np.random.default_rng(0)
    outputs, target = rng.standard_normal((8, 5)).astype(np.float32), rng.random((8, 5)) < 0.4
    target[:, 2] = False
    values = collected(outputs, target)
    np.testing.assert_array_equal(values["lwlrap"], per_class_lwlrap(outputs, target))
    assert np.isnan(values["lwlrap"][2])
    assert values["positives"].tolist() == target.sum(axis=0).tolist()


def test_scores_that_hold_nan_are_nan_and_positives_stay():
    outputs = np.array([[0.1, np.nan], [0.3, 0.2]], dtype=np.float32)
    values = collected(outputs, np.ones((2, 2), dtype=bool))
    assert np.isnan(values["lwlrap"]).all()
    assert values["positives"].tolist() == [2, 2]


def test_without_outputs_or_targets_nothing_is_said():
    assert collected(None, np.ones((2, 2), dtype=bool)) == {}
    assert collected(np.ones((2, 2), dtype=np.float32), None) == {}
