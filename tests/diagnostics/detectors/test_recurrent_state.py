import numpy as np
import pytest
from flatline.diagnostics.detectors.recurrent_state import dead_states, evidence
from flatline.diagnostics.view import View

AT = np.arange(400)


@pytest.mark.parametrize(("share", "is_dead"), [(0.84, False), (0.86, True)])
def test_states_are_dead_where_85_of_a_hundred_are_at_their_bounds(share, is_dead, made, since):
    stretch = dead_states(View(made({"saturation.gru": since(share, 0.2)})), "gru")
    assert (stretch is not None) == is_dead
    assert stretch is None or (stretch.first, stretch.last, stretch.is_active) == (100, 399, True)


@pytest.mark.parametrize(("spread", "is_dead"), [(0.045, False), (0.035, True)])
def test_or_where_they_differ_between_clips_by_a_tenth_of_what_they_did(spread, is_dead, made, since):
    stretch = dead_states(View(made({"hidden_spread.gru": since(spread, 0.4)})), "gru")
    assert (stretch is not None) == is_dead
    assert stretch is None or stretch.first == 100


def test_a_spread_that_grows_from_nothing_is_a_net_that_wakes(made):
    assert dead_states(View(made({"hidden_spread.gru": np.geomspace(1e-4, 1, 400)})), "gru") is None


def test_of_two_signs_that_which_holds_at_the_end_counts_and_then_the_earlier(made):
    ended, late = np.where(AT < 200, 0.95, 0.2), np.where(AT < 300, 0.4, 0.01)
    stretch = dead_states(View(made({"saturation.gru": ended, "hidden_spread.gru": late})), "gru")
    assert stretch is not None
    assert (stretch.first, stretch.is_active) == (300, True)


def test_an_rnn_that_was_not_looked_at_has_no_state(made):
    view = View(made({"saturation.gru": None, "hidden_spread.gru": None}))
    assert (dead_states(view, "gru"), evidence(view, "gru"), view.rnns) == (None, {}, [])


def test_the_evidence_is_the_newest_that_was_recorded(made):
    gap = np.where(AT % 3 == 0, np.linspace(0, 0.798, 400), np.nan)
    view = View(made({"saturation.gru": gap, "hidden_spread.gru": np.where(AT < 200, 0.4, 0.1)}))
    assert evidence(view, "gru") == {
        "saturation": pytest.approx(0.798),
        "hidden_spread": pytest.approx(0.1),
        "hidden_spread_share_of_peak": pytest.approx(0.25),
    }
