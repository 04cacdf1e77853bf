import numpy as np
import pytest
from flatline.diagnostics.detectors.constant_predictor import one_over_rank

KIND = "constant-predictor"

STUCK = {"evaluation.lwlrap": 0.3, "loss": 0.36, "clip_spread": 1e-3, "evaluation.class_lwlrap": 1 / np.arange(1, 13)}

SEED = [1, 0.497, 0.332, 0.247, 0.196, 0.168]
"""The bars of the seed's chart that are known."""


@pytest.mark.parametrize(("agreement", "found"), [(0.979, 0), (0.981, 1)])
def test_one_ranking_is_one_from_98_of_a_hundred_on(agreement, found, look, made, since):
    findings = look(KIND, made({**STUCK, "rank_agreement": since(agreement, 0.5)})).findings
    assert [(finding.severity, finding.onset) for finding in findings] == [("critical", 100)] * found


@pytest.mark.parametrize(("rows", "found"), [(19, 0), (20, 1)])
def test_twenty_rows_of_it_are_needed(rows, found, look, made):
    assert len(look(KIND, made({**STUCK, "rank_agreement": 0.999}, rows=slice(0, rows))).findings) == found


def test_a_net_that_scores_above_the_constant_level_is_none(look, made):
    assert look(KIND, made({"rank_agreement": 0.999})).findings == []


@pytest.mark.parametrize(("growth", "severity", "variant"), [(1.4, "critical", ""), (1.7, "warning", "under-trained")])
def test_scores_of_clips_that_come_apart_make_it_under_trained(growth, severity, variant, look, made):
    spread = np.where(np.arange(400) < 250, 0.01, 0.01 * growth)
    (finding,) = look(KIND, made({**STUCK, "rank_agreement": 0.999, "clip_spread": spread})).findings
    assert (finding.severity, finding.variant) == (severity, variant)
    assert finding.evidence["clip_spread_trend"] == pytest.approx(growth, rel=1e-4)


def test_a_stretch_of_less_than_forty_rows_has_no_trend(look, made, since):
    run = made({**STUCK, "rank_agreement": since(0.999, 0.5, 365), "clip_spread": np.geomspace(1e-6, 1, 400)})
    (finding,) = look(KIND, run).findings
    assert (finding.variant, "clip_spread_trend" in finding.evidence) == ("", False)


@pytest.mark.parametrize(("left", "variant"), [(0.09, "shrunk"), (0.11, "")])
def test_weights_of_a_tenth_of_what_they_were_are_shrunk(left, variant, look, made, since):
    run = made({**STUCK, "rank_agreement": 0.999, "weight_norm": since(2 * left, 2.0)})
    (finding,) = look(KIND, run).findings
    assert (finding.variant, finding.evidence["weights_left"]) == (variant, pytest.approx(left))


def test_the_evidence_has_the_score_beside_what_it_is_held_against(look, made):
    (finding,) = look(KIND, made({**STUCK, "rank_agreement": 0.999})).findings
    assert {"lwlrap": 0.3, "chance": 0.26, "constant": 0.3}.items() <= {
        name: pytest.approx(value) for name, value in finding.evidence.items()
    }.items()
    assert finding.evidence["one_over_rank_deviation"] == pytest.approx(0, abs=1e-6)


def test_without_scores_and_evaluations_it_is_undetermined(look, made):
    run = made({**STUCK, "rank_agreement": None, "evaluation.class_lwlrap": None})
    assert [entry.kind for entry in look(KIND, run).missing] == [KIND]
    assert look(KIND, made({**STUCK, "rank_agreement": None})).missing == []


@pytest.mark.parametrize("per_class", [1 / np.arange(1, 81), np.array([*SEED, 0.142, 0.126, 0.11, 0.1])])
def test_bars_that_fall_as_1_over_rank_are_one_ranking_whatever_their_order(per_class):
    random = np.random.default_rng(0)
    deviation = one_over_rank(random.permutation(per_class))
    assert deviation is not None
    assert deviation < 0.05


def test_bars_of_a_net_that_learns_are_far_from_it():
    deviation = one_over_rank(np.linspace(1, 0.2, 80))
    assert deviation is not None
    assert deviation > 1.5


@pytest.mark.parametrize(("n", "is_known"), [(7, False), (8, True)])
def test_of_few_classes_the_shape_says_nothing(n, is_known):
    assert (one_over_rank(1 / np.arange(1, n + 1)) is not None) == is_known


def test_classes_without_a_clip_are_left_out():
    bars = np.concatenate([1 / np.arange(1, 11), np.full(5, np.nan), np.zeros(5)])
    assert one_over_rank(bars) == pytest.approx(0, abs=1e-12)
    assert one_over_rank(None) is None
