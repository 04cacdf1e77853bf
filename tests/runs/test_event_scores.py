"""Event F1 and PSDS against the libraries and against numbers by hand."""

import importlib
import math

import numpy as np
import pandas as pd
import pytest
from flatline.runs import event_scores
from flatline.runs.event_scores import COLLAR_S, LENGTH_SHARE, MOST_FALSE, Found, area, event_f1, missing, psds

TRUE = [Found("a", "dog", [(0.5, 1.0), (2.0, 3.0)]), Found("b", "cat", [(0.0, 1.0)])]


@pytest.fixture
def sed_eval():
    return pytest.importorskip("sed_eval", reason="needs flatline[localisation]")


@pytest.fixture
def psds_eval():
    return pytest.importorskip("psds_eval", reason="needs flatline[localisation]")


@pytest.fixture
def without(monkeypatch):
    """without(name): as if it were not installed."""
    whole = importlib.import_module

    def hide(name):
        def imported(asked, *more):
            if asked == name:
                raise ImportError(asked)
            return whole(asked, *more)

        monkeypatch.setattr(event_scores.importlib, "import_module", imported)

    return hide


def random_events(seed, n, clips="abcdef", labels=("dog", "cat", "cow")):
    rng = np.random.default_rng(seed)
    found = []
    for clip in clips:
        for label in labels:
            edges = np.sort(rng.random(2 * n) * 20).reshape(-1, 2)
            found.append(Found(clip, label, [(float(a), float(b)) for a, b in edges]))
    return found


def test_right_events_score_1_and_a_detection_within_the_collars_is_right(sed_eval):
    assert event_f1(TRUE, TRUE) == {None: 1.0, "cat": 1.0, "dog": 1.0}
    near = [Found("a", "dog", [(0.65, 1.15), (1.85, 2.85)]), Found("b", "cat", [(0.1, 0.9)])]
    assert event_f1(TRUE, near)[None] == 1.0


def test_one_right_of_two_found_of_three_is_two_fifths(sed_eval):
    found = [Found("a", "dog", [(0.55, 1.05), (2.5, 3.0)]), Found("b", "cat", [])]
    assert event_f1(TRUE, found) == pytest.approx({None: 0.4, "dog": 0.5, "cat": 0.0})


def test_a_long_events_offset_may_be_off_by_a_share_of_its_length(sed_eval):
    true = [Found("a", "dog", [(1.0, 5.0)])]
    assert event_f1(true, [Found("a", "dog", [(1.0, 5.0 - 4 * LENGTH_SHARE + 0.01)])])[None] == 1
    assert event_f1(true, [Found("a", "dog", [(1.0, 5.0 - 4 * LENGTH_SHARE - 0.01)])])[None] == 0
    assert event_f1(true, [Found("a", "dog", [(1.0 + COLLAR_S + 0.01, 5.0)])])[None] == 0


def test_another_clip_or_class_at_the_same_time_is_no_hit(sed_eval):
    assert event_f1(TRUE, [Found("b", "dog", TRUE[0].events), Found("a", "cat", TRUE[1].events)])[None] == 0


def test_event_f1_is_sed_evals_own_number(sed_eval):
    import dcase_util

    true = random_events(0, 3)
    rng = np.random.default_rng(1)
    found = [
        Found(one.clip, one.label, [(a + rng.normal(0, 0.2), b + rng.normal(0, 0.2)) for a, b in one.events[:2]])
        for one in true
    ]
    metrics = sed_eval.sound_event.EventBasedMetrics(["cat", "cow", "dog"], t_collar=0.2, percentage_of_length=0.2)
    for clip in "abcdef":
        lists = [
            dcase_util.containers.MetaDataContainer(
                [
                    {"filename": clip, "event_label": one.label, "onset": onset, "offset": offset}
                    for one in some
                    if one.clip == clip
                    for onset, offset in one.events
                ]
            )
            for some in (true, found)
        ]
        metrics.evaluate(*lists)
    ours = event_f1(true, found)
    assert ours[None] == pytest.approx(metrics.results_overall_metrics()["f_measure"]["f_measure"])
    assert 0 < ours[None] < 1


def test_nothing_found_is_0_and_not_unknown(sed_eval):
    nothing = [Found(one.clip, one.label, []) for one in TRUE]
    assert event_f1(TRUE, nothing) == {None: 0.0, "cat": 0.0, "dog": 0.0}


def test_psds_of_right_and_of_no_detections(psds_eval):
    durations = {"a": 4.0, "b": 4.0}
    assert psds(TRUE, [TRUE], durations) == pytest.approx(1.0)
    assert psds(TRUE, [[]], durations) == 0.0


def test_psds_by_hand(psds_eval):
    """One hour in all; at the strict threshold the cat and half the dogs, at the loose one all, and 40 false dogs."""
    durations = {"a": 1800.0, "b": 1800.0}
    false = [(100.0 + 10 * i, 101.0 + 10 * i) for i in range(40)]
    strict = [Found("a", "dog", [(0.5, 1.0)]), Found("b", "cat", [(0.0, 1.0)])]
    loose = [Found("a", "dog", [(0.5, 1.0), (2.0, 3.0), *false]), Found("b", "cat", [(0.0, 1.0)])]
    # The dogs' staircase: .5 up to 40 false an hour, then 1; the cat's 1 throughout.
    expected = (0.4 * (0.5 + 1) / 2) + 0.6
    assert psds(TRUE, [strict, loose], durations) == pytest.approx(expected)


def test_psds_counts_a_detection_by_how_much_of_it_is_true(psds_eval):
    true, durations = [Found("a", "dog", [(1.0, 2.0)])], {"a": 4.0}
    assert psds(true, [[Found("a", "dog", [(1.0, 2.9)])]], durations) == pytest.approx(1.0)
    assert psds(true, [[Found("a", "dog", [(1.0, 3.1)])]], durations) == 0  # less than half of it
    assert psds(true, [[Found("a", "dog", [(1.0, 1.4)])]], durations) == 0  # less than half of the event


def test_psds_is_psds_evals_own_number(psds_eval):
    """Its area and curve, which call what pandas 3 and numpy 2.4 no longer have, written out with what they have."""

    class Mended(psds_eval.PSDSEval):
        @staticmethod
        def step_curve(x, xp, yp):
            known = pd.DataFrame({"x": xp, "y": yp}).groupby("x").agg("max").reset_index().sort_values(by="x")
            known.y = known.y.cummax()
            return pd.merge(pd.Series(x, name="x"), known, how="outer", on="x").ffill().fillna(0).y.values

        @staticmethod
        def _auc(x, y, max_x=None, decreasing_y=False):
            whole = np.union1d(x, [max_x])
            heights = y[np.searchsorted(x, whole, side="right") - 1]
            kept = whole <= max_x
            return np.sum(np.diff(whole[kept]) * heights[kept][:-1])

    true, found = random_events(0, 2), [random_events(seed, n) for seed, n in ((1, 1), (2, 2), (3, 4))]
    for seconds in (30.0, 300.0, 3000.0):
        durations = dict.fromkeys("abcdef", seconds)
        frame = pd.DataFrame({"filename": list(durations), "duration": list(durations.values())})
        scorer = Mended(0.5, 0.5, 0.5, ground_truth=event_scores._table(true), metadata=frame)
        for some in found:
            scorer.add_operating_point(event_scores._table(some))
        own = scorer.psds(alpha_ct=0.0, alpha_st=0.0, max_efpr=MOST_FALSE).value
        assert psds(true, found, durations) == pytest.approx(own)


def test_area_leaves_out_what_lies_beyond_the_most_false_detections():
    assert area(np.array([[0.2], [1.0]]), np.array([[50.0], [MOST_FALSE + 1]])) == pytest.approx(0.1)
    assert area(np.array([[0.4, np.nan]]), np.array([[0.0, 0.0]])) == pytest.approx(0.4)


def test_without_a_library_there_is_no_number_and_it_is_told(without):
    without("sed_eval")
    assert missing() == ["sed_eval"]
    assert all(math.isnan(value) for value in event_f1(TRUE, TRUE).values())
    without("psds_eval")
    assert math.isnan(psds(TRUE, [TRUE], {"a": 4.0, "b": 4.0}))
