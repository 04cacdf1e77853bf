"""Scores by frame against true onsets, by hand."""

import numpy as np
import pytest
from flatline.diagnostics.errors import ShapeError
from flatline.diagnostics.localisation import (
    DEFAULT_SHARE,
    SHARES,
    chance,
    counts_by_share,
    drawn_out,
    events_in,
    fitted_shares,
    frame_counts,
    frame_f1,
    frame_values,
    merged,
    pointing_game,
    relative,
    true_frames,
)


def places(truth):
    return np.flatnonzero(truth).tolist()


def test_a_frame_is_true_where_half_of_its_hop_lies_in_an_event():
    # Frames at 0, .1 ... stand for half a hop to either side: frame 3 for .25 to .35.
    assert places(true_frames([(0.25, 0.5)], 10, 0.1)) == [3, 4, 5]
    assert places(true_frames([(0.30, 0.49)], 10, 0.1)) == [3, 4]
    assert places(true_frames([(0.31, 0.49)], 10, 0.1)) == [4]
    assert places(true_frames([(0.0, 0.1), (0.85, 2.0)], 10, 0.1)) == [0, 1, 9]
    assert places(true_frames([], 10, 0.1)) == []


def test_an_event_shorter_than_a_hop_is_never_between_two_frames():
    assert places(true_frames([(0.30, 0.31)], 10, 0.1)) == [3]
    assert places(true_frames([(0.345, 0.355)], 10, 0.1)) == [3, 4]
    assert places(true_frames([(0.349, 0.369)], 10, 0.1)) == [4]


def test_an_event_behind_the_clip_has_no_frame():
    assert places(true_frames([(1.2, 1.5)], 10, 0.1)) == []


def test_frames_of_an_attribution_add_up_as_it_does():
    values = np.array([[2.0, -0.5], [-1.0, 0.25]])
    np.testing.assert_allclose(frame_values(values, "integrated-gradients"), [1.5, -0.75])
    assert frame_values(values, "rollout").sum() == values.sum()
    np.testing.assert_allclose(frame_values(values, "saliency"), [2.5, 1.25])


def test_a_pooled_map_is_drawn_out_evenly_over_the_clips_frames():
    pooled = np.array([[1.0, 10.0], [2.0, 20.0], [3.0, 30.0]])
    np.testing.assert_array_equal(drawn_out(pooled, 6)[:, 0], [1, 1, 2, 2, 3, 3])
    np.testing.assert_array_equal(drawn_out(pooled, 3), pooled)
    np.testing.assert_array_equal(drawn_out(pooled, 7)[:, 1], [10, 10, 20, 20, 20, 30, 30])


def test_shares_of_the_peak_know_no_scale_and_nothing_below_zero():
    np.testing.assert_allclose(relative(np.array([1.0, 4.0, -3.0])), [0.25, 1, 0])
    np.testing.assert_allclose(relative(1e-30 * np.array([1.0, 4.0, -3.0])), [0.25, 1, 0])
    np.testing.assert_array_equal(relative(np.array([-1.0, -4.0])), [0, 0])
    for bad in (np.array([]), np.zeros((2, 2)), np.array([0.0, np.nan])):
        with pytest.raises(ShapeError, match=r"scores have shape .*\(relative\); give \(frame,\)"):
            relative(bad)


def test_pointing_game_is_whether_the_highest_frame_is_true():
    truth = np.array([False, True, True, False])
    assert pointing_game(np.array([0.1, 0.9, 0.2, 0.8]), truth) == 1
    assert pointing_game(np.array([0.1, 0.7, 0.2, 0.8]), truth) == 0
    with pytest.raises(ShapeError, match=r"3 scores for 4 frames \(pointing_game\); give the same"):
        pointing_game(np.zeros(3), truth)


def test_what_is_the_same_throughout_points_as_chance_does():
    truth = np.array([False, True, True, False, False])
    assert pointing_game(np.zeros(5), truth) == chance(truth) == 0.4
    assert pointing_game(np.array([0, 3.0, 0, 3.0, 0]), truth) == 0.5


def test_chance_is_what_random_frames_reach():
    rng = np.random.default_rng(0)
    truth = rng.random(40) < 0.3
    hits = [pointing_game(rng.random(40), truth) for _ in range(4000)]
    assert np.mean(hits) == pytest.approx(chance(truth), abs=0.03)


def test_frame_f1_is_scikit_learns():
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(1)
    decided, truth = rng.random(50) < 0.4, rng.random(50) < 0.3
    assert frame_f1(frame_counts(decided, truth)) == pytest.approx(metrics.f1_score(truth, decided))
    assert np.isnan(frame_f1(np.zeros(3)))
    assert frame_f1(np.array([0, 2, 0])) == 0


def test_counts_by_share_are_those_of_each_threshold():
    scores, truth = relative(np.array([0.1, 0.5, 1.0, 0.2])), np.array([False, True, True, False])
    found = counts_by_share(scores, truth)
    assert found.shape == (len(SHARES), 3)
    for share, counts in zip(SHARES, found, strict=True):
        np.testing.assert_array_equal(counts, frame_counts(scores >= share, truth))
    assert frame_f1(found[SHARES.tolist().index(0.4)]) == 1


def test_the_threshold_of_a_half_is_fitted_on_the_other():
    truth = np.array([False, True, True, False])
    low = counts_by_share(np.array([0.1, 1.0, 0.3, 0.1]), truth)  # any share above .1, up to .3, is right
    high = counts_by_share(np.array([0.7, 1.0, 0.9, 0.1]), truth)  # above .7, up to .9
    clips = np.array([0, 0, 1, 2])
    shares = fitted_shares(np.stack([low, low, high, low]), clips)
    assert shares[0] == shares[1] == shares[3] == 0.805  # of forty the twenty-first
    assert shares[2] == 0.205


def test_one_clip_alone_has_the_stated_threshold():
    counts = counts_by_share(np.array([0.1, 1.0]), np.array([False, True]))
    assert fitted_shares(counts[None], np.array([0])).tolist() == [DEFAULT_SHARE]


def test_frames_that_count_become_events_and_those_the_same_frames():
    decided = np.array([True, False, True, True, False, False, True])
    found = events_in(decided, 0.1)
    np.testing.assert_allclose(found, [(0.0, 0.05), (0.15, 0.35), (0.55, 0.65)])
    np.testing.assert_array_equal(true_frames(found, 7, 0.1), decided)
    assert events_in(np.zeros(3, dtype=bool), 0.1) == []


def test_events_that_overlap_or_touch_are_one():
    assert merged([(3, 4), (0, 2), (1, 1.5), (2, 2.5)]) == [(0, 2.5), (3, 4)]
    assert merged([]) == []
