import numpy as np
import pytest
from flatline.diagnostics.onsets import onsets
from flatline.diagnostics.view import View

AT = np.arange(400)


def norms(**since):
    """Norms of which those of a part are a hundredth from an iteration on."""
    parts = ("conv", "conv", "rnn", "rnn", "attention", "head", "head")
    return np.stack([np.where(since.get(part, 400) <= AT, 0.01, 1.0) for part in parts], axis=1)


def order(run):
    return [(onset.part, onset.what) for onset in onsets(View(run))]


def test_what_stopped_first_stands_first(made):
    found = onsets(View(made({"gradient_norm": norms(rnn=100, conv=150, head=300)})))
    assert [onset.part for onset in found] == ["rnn", "conv", "head"]
    for onset, expected in zip(found, (100, 150, 300), strict=True):
        assert onset.iteration == pytest.approx(expected, abs=5)


def test_of_one_iteration_what_is_nearer_to_the_loss_comes_first(made):
    assert order(made({"gradient_norm": norms(conv=100, rnn=100, head=100)})) == [
        ("head", "gradient"),
        ("rnn", "gradient"),
        ("conv", "gradient"),
    ]


def test_the_states_of_an_rnn_have_an_onset_of_their_own_with_its_path(made):
    found = onsets(View(made({"gradient_norm": norms(conv=150), "saturation.gru": np.where(AT < 80, 0.2, 0.95)})))
    assert [(onset.part, onset.what, onset.where, onset.iteration) for onset in found[:1]] == [
        ("rnn", "states", "gru", 80)
    ]
    assert found[1].part == "conv"


@pytest.mark.parametrize(("level", "is_quiet"), [(0.04, True), (0.06, False)])
def test_quiet_is_a_twentieth_of_the_peak(level, is_quiet, made):
    quiet = np.where(norms(conv=100) < 1, level, 1.0)
    assert bool(order(made({"gradient_norm": quiet}))) == is_quiet


def test_a_part_that_went_on_again_did_not_stop(made):
    again = norms(conv=100)
    again[200:] = 1
    assert order(made({"gradient_norm": again})) == []


def test_a_healthy_run_and_one_without_norms_have_no_onsets(made):
    assert order(made()) == []
    assert order(made({"gradient_norm": None, "gradient_norm_total": None})) == []
    assert order(made(rows=slice(0, 0))) == []


def test_a_part_that_never_had_a_gradient_stopped_at_the_beginning(made):
    columns = np.ones((400, 7))
    columns[:, :2] = np.nan
    assert [(onset.part, onset.iteration) for onset in onsets(View(made({"gradient_norm": columns})))] == [("conv", 0)]
