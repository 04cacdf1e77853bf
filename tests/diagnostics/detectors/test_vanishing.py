import numpy as np
import pandas as pd
import pytest
from flatline.diagnostics.detectors.vanishing import kept

KIND = "vanishing-through-time"

STUCK = {"evaluation.lwlrap": 0.3, "loss": 0.36}

FLAT = np.ones(16)


def profile(share):
    """(frame,) of a gradient that falls to that share on its way to the first frame."""
    return np.geomspace(share, 1, 16)


@pytest.mark.parametrize(("share", "found"), [(1.1e-3, 0), (0.9e-3, 1)])
def test_a_thousandth_is_lost(share, found, look, made, since):
    findings = look(KIND, made({**STUCK, "hidden_gradient.gru": since(profile(share), FLAT)})).findings
    assert [(finding.severity, finding.onset, finding.where) for finding in findings] == [
        ("critical", 100, "gru")
    ] * found
    if findings:
        assert findings[0].evidence["smallest_share"] == pytest.approx(share, rel=1e-3)
        assert findings[0].evidence["frames"] == 16


def test_frames_after_the_largest_do_not_count(look, made):
    assert look(KIND, made({**STUCK, "hidden_gradient.gru": profile(1e-6)[::-1]})).findings == []


def test_not_in_a_net_that_learns(look, made):
    assert look(KIND, made({"hidden_gradient.gru": profile(1e-6)})).findings == []


def test_a_layer_that_reads_backwards_is_judged_backwards(look, made):
    names = ("hidden_gradient.gru", "hidden_gradient.gru.l0", "hidden_gradient.gru.l0_reverse")
    signals = {name: {} for name in names}
    healthy = {names[0]: FLAT, names[1]: profile(0.1), names[2]: profile(1e-6)}
    assert look(KIND, made({**STUCK, **healthy}, signals=signals)).findings == []
    cut = {**healthy, names[2]: profile(1e-6)[::-1]}
    assert [finding.where for finding in look(KIND, made({**STUCK, **cut}, signals=signals)).findings] == [
        "gru.l0_reverse"
    ]


def test_of_both_directions_the_sum_does_not_count(look, made):
    """Each is small where the other is large, so the sum hides both, or has a dip in the middle."""
    names = ("hidden_gradient.gru", "hidden_gradient.gru.l0", "hidden_gradient.gru.l0_reverse")
    columns = {names[0]: profile(1e-6), names[1]: FLAT, names[2]: FLAT}
    assert look(KIND, made({**STUCK, **columns}, signals={name: {} for name in names})).findings == []


def test_three_replays_are_enough_where_there_are_no_more(look, made):
    replayed = np.full((400, 16), np.nan)
    replayed[[0, 150, 390]] = profile(1e-6)
    (finding,) = look(KIND, made({**STUCK, "hidden_gradient.gru": replayed})).findings
    assert (finding.onset, finding.last) == (0, 390)


@pytest.mark.parametrize("gradient", [None, np.nan])
def test_what_was_never_replayed_is_undetermined(gradient, look, made):
    found = look(KIND, made({**STUCK, "hidden_gradient.gru": gradient}))
    assert (found.findings, found.missing[0].kind) == ([], KIND)


def test_a_gradient_of_zeros_says_nothing_about_time(look, made):
    assert look(KIND, made({**STUCK, "hidden_gradient.gru": 0.0})).findings == []


def test_the_share_is_the_smallest_on_the_way_back_from_the_largest():
    table = pd.DataFrame([[2.0, 1, 4, 0.1], [0, 0, 0, 0], [3, 2, 1, 5]])
    assert kept("gru", table)[[0, 2]] == pytest.approx([0.25, 0.2])
    assert kept("gru.l0_reverse", table)[[0, 2]] == pytest.approx([0.025, 1])
    assert np.isnan(kept("gru", table)[1])
