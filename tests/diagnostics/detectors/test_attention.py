import numpy as np
import pytest

KIND = "attention-collapse"

STUCK = {"evaluation.lwlrap": 0.3, "loss": 0.36}


def judged(look, run):
    return [(finding.variant, finding.where) for finding in look(KIND, run).findings]


@pytest.mark.parametrize(
    ("column", "kind", "beside", "beyond", "variant"),
    [
        ("attention_entropy", "softmax-time", 0.9989, 0.9991, "uniform"),
        ("attention_entropy", "sigmoid", 0.9989, 0.9991, "uniform"),
        ("attention_peak", "softmax-time", 0.89, 0.91, "one-frame"),
        ("attention_sum", "softmax-time", 0.51, 0.49, "padding"),
        ("attention_sum", "weights", 0.51, 0.49, "padding"),
    ],
)
def test_each_sign_has_its_border(column, kind, beside, beyond, variant, look, made):
    maps = {"looks": kind}
    assert judged(look, made({**STUCK, column: beside}, maps=maps)) == []
    assert judged(look, made({**STUCK, column: beyond}, maps=maps)) == [(variant, "looks")]


@pytest.mark.parametrize(
    ("column", "value", "kind"),
    [
        ("attention_entropy", 0.9999, "softmax-class"),
        ("attention_sum", 0.1, "sigmoid"),
        ("attention_sum", 0.1, "softmax-class"),
    ],
)
def test_a_sign_that_means_nothing_for_a_kind_of_map_is_passed_over(column, value, kind, look, made):
    assert judged(look, made({**STUCK, column: value}, maps={"looks": kind})) == []


def test_weights_that_sum_to_more_than_1_are_not_shared_out_with_padding(look, made, since):
    run = made({**STUCK, "attention_sum": since(0.1, 5.0)}, maps={"looks": "weights"})
    assert judged(look, run) == []


def sums(share):
    """(class,) weights of which one class has that share."""
    return np.array([share, *np.full(11, (1 - share) / 11)]) * 32


@pytest.mark.parametrize(("share", "found"), [(0.89, []), (0.91, [("competition", "looks")])])
def test_classes_that_compete_for_frames_have_lost_where_one_has_nine_tenths(share, found, look, made):
    assert judged(look, made({**STUCK, "attention_sum": sums(share)}, maps={"looks": "softmax-class"})) == found


def test_one_map_gives_one_finding(look, made):
    assert judged(look, made({**STUCK, "attention_sum": 0.1, "attention_peak": 0.99})) == [("padding", "looks")]


def test_a_second_map_is_judged_by_its_own_columns(look, made):
    columns = {"attention_peak.other": 0.99, "attention_entropy.other": 0.1}
    run = made({**STUCK, **columns}, maps={"looks": "softmax-time", "other": "softmax-time"})
    assert judged(look, run) == [("one-frame", "other")]


def test_scores_by_frame_of_the_head_are_a_map_and_no_weights(look, made):
    assert judged(look, made({**STUCK, "attention_entropy": 0.9999}, maps={"head": "sigmoid"})) == []


def test_a_warning_where_the_net_learns(look, made):
    assert [finding.severity for finding in look(KIND, made({"attention_peak": 0.99})).findings] == ["warning"]


def test_a_network_without_attention_has_nothing_to_judge_and_a_light_log_is_undetermined(look, made):
    columns = {"attention_entropy": None, "attention_peak": None, "attention_sum": None}
    assert look(KIND, made(columns, maps={})).missing == []
    assert [entry.kind for entry in look(KIND, made(columns)).missing] == [KIND]


def test_the_classes_median_counts(look, made):
    peaks = np.full(12, 0.2)
    peaks[:5] = 0.99
    assert judged(look, made({**STUCK, "attention_peak": peaks})) == []
    peaks[:7] = 0.99
    assert judged(look, made({**STUCK, "attention_peak": peaks})) == [("one-frame", "looks")]
