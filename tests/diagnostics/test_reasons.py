import numpy as np
import pytest
from flatline.diagnostics.findings import KINDS
from flatline.diagnostics.reasons import EXPECTED, SIGNS, Reasons, reasons_for
from flatline.diagnostics.view import View

SIGHTS = {
    "probabilities": ({"output_min": 0.1, "output_max": 0.9}, {"output_max": 1.1}),
    "at-ln2": ({"ln2_distance": 0.01}, {"ln2_distance": 0.03}),
    "head-killed": ({"rho": 0.29}, {"rho": 0.31}),
    "above-entropy": ({"loss": 0.53}, {"loss": 0.52}),
    "below-entropy": ({"loss": 0.31}, {"loss": 0.32}),
    "one-ranking": ({"rank_agreement": 0.99}, {"rank_agreement": 0.97}),
    "dead-states": ({"saturation.gru": 0.9}, {"saturation.gru": 0.8}),
    "gradient-gone": ({"gradient_norm_total": np.geomspace(1, 1e-3, 400)}, {"gradient_norm_total": 1.0}),
    "frames-cut": ({"hidden_gradient.gru": np.geomspace(1e-5, 1, 16)}, {"hidden_gradient.gru": np.ones(16)}),
    "moving": ({"update_ratio": 1e-3}, {"update_ratio": 1e-6}),
    "inputs-vary": ({"input_spread": 1.0}, {"input_spread": 0.0}),
    "learned": ({"evaluation.lwlrap": 0.5}, {"evaluation.lwlrap": 0.3}),
}
"""By sign, a run that shows it and one that does not; H0 is .35."""


@pytest.mark.parametrize("name", SIGNS)
def test_each_sign_is_seen_where_it_is_and_not_where_it_is_not(name, made):
    seen, unseen = SIGHTS[name]
    assert (SIGNS[name].measure(View(made(seen))), SIGNS[name].measure(View(made(unseen)))) == (True, False)


@pytest.mark.parametrize("name", SIGNS)
def test_a_sign_that_was_not_recorded_is_neither(name, made):
    empty = made(dict.fromkeys(made().columns), loss_kind=None)
    assert SIGNS[name].measure(View(empty)) is None


def test_the_words_of_a_sign_and_of_its_absence_differ():
    words = [words for sign in SIGNS.values() for words in (sign.yes, sign.no)]
    assert len(set(words)) == len(words)


def test_every_kind_says_what_it_expects_of_signs_that_there_are():
    assert set(EXPECTED) == set(KINDS)
    assert {name for of in EXPECTED.values() for name in of} <= set(SIGNS)


def test_what_agrees_speaks_for_a_cause_and_what_does_not_against_it(made):
    stuck = {"evaluation.lwlrap": 0.3, "loss": 0.36, "rank_agreement": 0.999, "saturation.gru": 0.95, "rho": 0.1}
    reasons = reasons_for("saturation-plateau", View(made(stuck)))
    assert reasons.contra == (SIGNS["head-killed"].yes,)
    assert set(reasons.pro) == {
        SIGNS["dead-states"].yes,
        SIGNS["one-ranking"].yes,
        SIGNS["learned"].no,
        SIGNS["probabilities"].no,
        SIGNS["above-entropy"].no,
    }
    assert reasons.sureness == pytest.approx(5 / 6)


def test_signs_that_were_not_recorded_count_for_neither(made):
    stuck = {"evaluation.lwlrap": 0.3, "loss": 0.36, "rank_agreement": 0.999, "saturation.gru": 0.95}
    with_rho = reasons_for("saturation-plateau", View(made(stuck)))
    without = reasons_for("saturation-plateau", View(made({**stuck, "rho": None})))
    assert len(with_rho.pro) == len(without.pro) + 1
    assert with_rho.contra == without.contra == ()


def test_a_finding_without_any_sign_stands_by_its_own_criterion():
    assert Reasons((), ()).sureness == 1
    assert Reasons((), ("against",)).sureness == 0


STUCK = {"evaluation.lwlrap": 0.3, "loss": 0.36, "rank_agreement": 0.999, "saturation.gru": 0.95, "rho": 1.0}

ALL_AGREE = {
    "broken-objective": {**STUCK, "output_min": 0.1, "output_max": 0.9, "rho": 0.1, "loss": 0.69},
    "saturation-plateau": STUCK,
    "constant-predictor": STUCK,
    "single-class-collapse": {**STUCK, "rank_agreement": 0.8},
    "bypassed-recurrence": {"saturation.gru": 0.95},
    "gradient-death": {**STUCK, "gradient_norm_total": np.geomspace(1, 1e-3, 400)},
    "vanishing-through-time": {**STUCK, "hidden_gradient.gru": np.geomspace(1e-5, 1, 16)},
    "label-problem": STUCK,
    "learning-rate-too-low": {**STUCK, "update_ratio": 1e-6},
}


@pytest.mark.parametrize("kind", ALL_AGREE)
def test_in_a_run_that_is_plainly_sick_with_it_every_sign_speaks_for_a_cause(kind, made):
    reasons = reasons_for(kind, View(made(ALL_AGREE[kind])))
    assert (len(reasons.pro), reasons.contra) == (len(EXPECTED[kind]), ())
