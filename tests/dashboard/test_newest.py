import numpy as np
import pandas as pd
import pytest
from flatline.dashboard.newest import Newest, newest, newest_gradient, newest_loss, newest_score

NAN, INF = float("nan"), float("inf")


def table(first=0, **columns):
    length = len(next(iter(columns.values())))
    return pd.DataFrame(columns, index=pd.Index(range(first, first + length), name="iteration"))


def same(found, value, since):
    assert found.since == since
    np.testing.assert_equal(found.value, value)


@pytest.mark.parametrize(
    ("values", "value", "since"),
    [
        ([1.0, 2.0], 2.0, None),
        ([1.0, NAN, 2.0], 2.0, None),
        ([1.0, 2.0, NAN, NAN], NAN, 12),
        ([1.0, NAN, 2.0, INF], INF, 13),
        ([INF, NAN], NAN, 10),
        ([NAN, NAN], NAN, None),  # never recorded
        ([], NAN, None),
    ],
)
def test_the_newest_value_and_since_when_it_is_not_finite(values, value, since):
    same(newest(table(10, x=np.array(values))["x"]), value, since)


def test_iterations_that_a_scaler_skipped_do_not_count():
    same(newest_loss(table(loss=[1.0, NAN], skipped=[False, True])), 1.0, None)
    same(newest_gradient(table(gradient_norm_total=[1.0, NAN], skipped=[False, True])), 1.0, None)


def test_a_gradient_that_is_nan_is_told_from_one_that_was_not_seen():
    unseen = table(gradient_norm_total=[2.0, NAN], nonfinite_gradients=[0.0, NAN])
    assert newest_gradient(unseen) == Newest(2.0)
    from_the_start = table(gradient_norm_total=[NAN, NAN], nonfinite_gradients=[3.0, 3.0])
    same(newest_gradient(from_the_start), NAN, 0)


def test_a_score_that_is_nan_where_there_are_labels_is_not_finite():
    same(newest_score(table(5, lwlrap=[NAN], chance=[0.4])), NAN, 5)
    same(newest_score(table(5, lwlrap=[NAN], chance=[NAN])), NAN, None)
    same(newest_score(pd.DataFrame()), NAN, None)
