"""Rows of a way, by hand."""

import math

import numpy as np
import pytest
from flatline.diagnostics.localisation import true_frames
from flatline.runs.event_scores import missing
from flatline.runs.localised_pairs import Pair, Way, scored

FRAME_S = 0.1

EVENTS = {(0, "dog"): [(0.95, 2.05)], (0, "cat"): [(3.0, 3.5)], (1, "dog"): [(0.0, 1.0), (3.0, 4.0)]}


@pytest.fixture
def pairs():
    return [
        Pair(clip, f"{clip}.wav", name, tuple(events), true_frames(events, 40, FRAME_S), FRAME_S)
        for (clip, name), events in EVENTS.items()
    ]


def rows_of(way, pairs):
    rows, thresholds = scored(way, pairs, ["cat", "dog"])
    return {row.class_name: row for row in rows}, thresholds


def test_a_map_that_is_the_truth_is_right_in_everything(pairs):
    rows, thresholds = rows_of(Way("attention", [pair.truth * 0.01 for pair in pairs]), pairs)
    assert list(rows) == ["all", "cat", "dog"]
    assert [rows[name].pairs for name in rows] == [3, 1, 2]
    for row in rows.values():
        assert row.pointing_game == row.frame_f1 == 1
        assert row.informative is None
        if not missing():
            assert row.event_f1 == 1
    if not missing():
        assert rows["all"].psds == 1
    assert math.isnan(rows["dog"].psds)
    assert rows["all"].chance == pytest.approx(np.mean([pair.truth.mean() for pair in pairs]))
    assert rows["cat"].chance == pairs[1].truth.mean()
    assert len(thresholds) == 2


def test_all_is_of_pairs_together_and_no_mean_over_classes(pairs):
    values = [pair.truth * 1.0 for pair in pairs]
    values[1] = np.eye(40)[0]  # the cat is looked for where it is not
    rows, _ = rows_of(Way("saliency", values, [True] * 3), pairs)
    assert (rows["all"].pointing_game, rows["cat"].pointing_game, rows["dog"].pointing_game) == (2 / 3, 0, 1)
    n_true, n_cat = sum(pair.truth.sum() for pair in pairs), pairs[1].truth.sum()
    hits = n_true - n_cat
    assert rows["all"].frame_f1 == pytest.approx(2 * hits / (2 * hits + 1 + n_cat))


def test_an_attribution_without_information_points_nowhere_and_marks_nothing(pairs):
    way = Way("saliency", [pair.truth * 1.0 for pair in pairs], [True, False, True])
    rows, _ = rows_of(way, pairs)
    assert rows["all"].informative == 2
    assert rows["all"].pointing_game == pytest.approx((2 + pairs[1].truth.mean()) / 3)
    n_true, n_cat = sum(pair.truth.sum() for pair in pairs), pairs[1].truth.sum()
    assert rows["all"].frame_f1 == pytest.approx(2 * (n_true - n_cat) / (2 * n_true - n_cat))
    assert math.isnan(rows["cat"].pointing_game)  # nothing to localise by
    assert math.isnan(rows["cat"].event_f1)
    assert rows["cat"].informative == 0
    assert rows["dog"].pointing_game == 1


def test_where_none_carries_information_there_is_no_score_but_chance(pairs):
    rows, _ = rows_of(Way("saliency", [pair.truth * 1.0 for pair in pairs], [False] * 3), pairs)
    for row in rows.values():
        scores = (row.pointing_game, row.frame_f1, row.event_f1, row.psds)
        assert all(math.isnan(score) for score in scores)
        assert 0 < row.chance < 1
        assert row.informative == 0


def test_values_below_zero_never_count(pairs):
    rows, _ = rows_of(Way("occlusion", [pair.truth - 1.0 for pair in pairs], [True] * 3), pairs)
    assert rows["all"].pointing_game == pytest.approx(rows["all"].chance)
    assert rows["all"].frame_f1 == 0


def test_events_are_not_joined_over_clips_or_classes(pairs):
    if missing():
        pytest.skip("needs flatline[localisation]")
    values = [pair.truth * 1.0 for pair in pairs]
    values[0], values[2] = values[2], values[0]  # each dog as in the other clip
    rows, _ = rows_of(Way("attention", values), pairs)
    assert rows["dog"].event_f1 == 0
    assert rows["cat"].event_f1 == 1
    assert rows["all"].event_f1 == pytest.approx(2 / 8)
