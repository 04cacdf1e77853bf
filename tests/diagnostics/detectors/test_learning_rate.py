import numpy as np
import pytest

HIGH, LOW = "learning-rate-too-high", "learning-rate-too-low"

AT = np.arange(400)


def ratios(value, first=0, last=400):
    return np.repeat(np.where((first <= AT) & (last > AT), value, 1e-3)[:, None], 7, axis=1)


STUCK = {"evaluation.lwlrap": 0.3, "loss": 0.36}


@pytest.mark.parametrize(("ratio", "found"), [(0.09, 0), (0.11, 1)])
def test_steps_of_a_tenth_of_the_weights_are_too_large(ratio, found, look, made):
    findings = look(HIGH, made({**STUCK, "update_ratio": ratios(ratio, 100)})).findings
    assert [(finding.severity, finding.onset) for finding in findings] == [("critical", 100)] * found


@pytest.mark.parametrize(("ratio", "length", "found"), [(0.3, 3, 0), (0.3, 5, 1), (0.45, 1, 0), (0.6, 1, 1)])
def test_five_of_them_or_a_single_one_that_leaves_nothing(ratio, length, found, look, made):
    findings = look(HIGH, made({**STUCK, "update_ratio": ratios(ratio, 100, 100 + length)})).findings
    assert [finding.onset for finding in findings] == [100] * found


def test_where_it_learns_all_the_same_it_is_over_with_the_last_large_step(look, made):
    (finding,) = look(HIGH, made({"update_ratio": ratios(0.3, 100, 120)})).findings
    assert (finding.severity, finding.last, finding.at_worst) == ("info", 119, "warning")


def test_not_over_while_the_loss_is_worse_than_before_or_above_h0(look, made, since):
    for loss in (since(0.3, 0.2), since(0.5, 0.6)):  # H0 is .35
        (finding,) = look(HIGH, made({"update_ratio": ratios(0.3, 100, 120), "loss": loss})).findings
        assert (finding.severity, finding.last) == ("warning", 399)  # the score says that it has learned


def test_weights_that_shrink_are_taken_by_decay_and_not_by_the_rate(look, made, since):
    run = made({**STUCK, "update_ratio": ratios(0.3, 100), "weight_norm": since(0.1, 2.0)})
    assert look(HIGH, run).findings == []


def test_biases_do_not_count_since_they_may_start_at_zero(look, made):
    values = np.full(7, 1e-3)
    values[[1, 6]] = 10.0
    assert look(HIGH, made({**STUCK, "update_ratio": values})).findings == []
    values[:] = 10.0
    values[[0, 2, 3, 4, 5]] = 1e-6
    assert [finding.kind for finding in look(LOW, made({**STUCK, "update_ratio": values})).findings] == [LOW]


@pytest.mark.parametrize(("ratio", "found"), [(0.9e-5, 1), (1.1e-5, 0)])
def test_steps_of_a_hundred_thousandth_are_too_small(ratio, found, look, made):
    findings = look(LOW, made({**STUCK, "update_ratio": ratios(ratio, 100)})).findings
    assert [(finding.severity, finding.onset) for finding in findings] == [("warning", 100)] * found


def test_not_where_nothing_is_left_to_learn(look, made, since):
    assert look(LOW, made({"loss": since(0.1, 0.7, 50), "update_ratio": ratios(1e-6, 100)})).findings == []


@pytest.mark.parametrize(("first", "found"), [(330, 0), (310, 1)])
def test_the_end_of_a_schedule_is_none_where_it_has_learned(first, found, look, made):
    assert len(look(LOW, made({"loss": 0.34, "update_ratio": ratios(1e-6, first)})).findings) == found
    assert len(look(LOW, made({**STUCK, "update_ratio": ratios(1e-6, first)})).findings) == 1


@pytest.mark.parametrize("kind", [HIGH, LOW])
def test_without_update_ratios_both_are_undetermined(kind, look, made):
    (entry,) = look(kind, made({"update_ratio": None})).missing
    assert (entry.kind, "level standard" in entry.why) == (kind, True)
