import numpy as np
import pytest
from flatline.diagnostics.ablation_shares import Ablation, PartShare
from flatline.diagnostics.errors import AttachError, ShapeError
from flatline.diagnostics.evaluation import ablation_columns, evaluation_row, top_shares
from flatline.diagnostics.lwlrap import chance_level, constant_level, lrap, lwlrap, per_class_lwlrap


def test_a_score_stands_beside_chance_and_the_constant_level():
    rng = np.random.default_rng(0)
    scores, target, prior = rng.standard_normal((40, 6)), rng.random((40, 6)) < 0.3, rng.random(6)
    row = evaluation_row(scores, target, prior, loss=0.5)
    assert row["lwlrap"] == lwlrap(scores, target)
    assert row["lrap"] == lrap(scores, target)
    assert row["chance"] == chance_level(target)
    assert row["constant"] == constant_level(target, prior)
    assert (row["loss"], row["tie_share"]) == (0.5, 0)
    np.testing.assert_array_equal(row["class_lwlrap"], per_class_lwlrap(scores, target))
    np.testing.assert_array_equal(row["class_positives"], target.sum(axis=0))
    np.testing.assert_array_equal(row["class_top"], top_shares(scores))


def test_the_share_on_top_is_that_of_the_highest_scores():
    scores = np.random.default_rng(1).standard_normal((50, 7)).astype("f4")
    counts = np.zeros(7)
    for clip in scores:
        counts[clip.tolist().index(max(clip.tolist()))] += 1
    assert counts.max() < 50
    np.testing.assert_allclose(top_shares(scores), counts / 50)


@pytest.mark.parametrize(
    ("clip", "share"),
    [
        ([2, 1, 0], [1, 0, 0]),
        ([1, 0, 1], [0.5, 0, 0.5]),
        ([0, 0, 0], [0, 0, 0]),
        ([np.inf, np.inf, 1], [0.5, 0.5, 0]),
        ([-np.inf, -3, -np.inf], [0, 1, 0]),
        ([5], [1]),
    ],
)
def test_ties_share_a_clip_and_a_clip_without_order_counts_for_no_class(clip, share):
    np.testing.assert_array_equal(top_shares(np.array([clip], dtype=float)), share)
    np.testing.assert_allclose(top_shares(np.array([clip, clip, clip], dtype=float)), share)


def test_no_clip_gives_no_share_and_not_zero():
    assert np.isnan(top_shares(np.zeros((0, 3)))).all()


def test_nan_scores_make_the_scores_nan_and_leave_the_levels():
    scores, target = np.zeros((3, 2)), np.array([[1, 0], [0, 1], [1, 1]], dtype=bool)
    scores[1, 0] = np.nan
    row = evaluation_row(scores, target, None, loss=float("nan"))
    assert np.isnan([row["lwlrap"], row["lrap"], row["tie_share"], row["constant"], *row["class_lwlrap"]]).all()
    assert row["class_top"].shape == (2,)
    assert np.isnan(row["class_top"]).all()
    assert row["chance"] == chance_level(target)


def test_a_prior_of_other_classes_is_an_error():
    with pytest.raises(ShapeError, match="prior has 3 classes but target has 2"):
        evaluation_row(np.zeros((1, 2)), np.ones((1, 2), dtype=bool), np.zeros(3), 0.0)


SHARES = {"ablation.rnn.gru": 0.5, "ablation.rnn.gru.low": np.float32(0.25), "ablation_clips": 8}


def test_shares_of_ablations_are_taken_as_numbers_by_name():
    assert ablation_columns(None, "here") == {}
    assert ablation_columns(SHARES, "here") == {**SHARES, "ablation_clips": 8.0}
    whole = Ablation(0.5, 0.1, 0.1, 0.1, 8, (PartShare("rnn.gru", "the GRU gru", 0.3, 0.5, 0.25, 0.75),))
    assert ablation_columns(whole, "here") == whole.row()


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"lwlrap": 0.5}, AttachError, r"ablations holds 'lwlrap' \(here\); pass what flatline.ablate gave"),
        (0.5, AttachError, "ablations is float"),
        ({"ablation.rnn.gru": "half"}, ShapeError, r"ablation.rnn.gru is 'half' \(here, ablations=\); pass a number"),
        ({"ablation.rnn.gru": [0.5]}, ShapeError, "pass a number"),
    ],
)
def test_what_is_no_share_is_refused(given, error, message):
    with pytest.raises(error, match=message):
        ablation_columns(given, "here")
