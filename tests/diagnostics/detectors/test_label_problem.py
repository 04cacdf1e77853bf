import numpy as np
import pytest

KIND = "label-problem"

STUCK = {"evaluation.lwlrap": 0.3, "loss": 0.36, "lwlrap": 0.3}


def found(look, run):
    return {finding.variant: finding for finding in look(KIND, run).findings}


@pytest.mark.parametrize(("spread", "is_constant"), [(0.0, True), (0.9e-6, True), (1.1e-6, False)])
def test_inputs_are_constant_where_they_differ_by_rounding(spread, is_constant, look, made):
    assert ("constant-inputs" in found(look, made({"input_spread": spread, "input_scale": 1.0}))) == is_constant


def test_silence_in_every_clip_is_constant_too(look, made):
    assert "constant-inputs" in found(look, made({"input_spread": 0.0, "input_scale": 0.0}))


@pytest.mark.parametrize(
    ("low", "high", "outside"), [(0, 1, False), (-0.01, 1, True), (0, 1.01, True), (0.05, 0.95, False)]
)
def test_targets_must_lie_in_0_to_1(low, high, outside, look, made):
    assert ("out-of-range" in found(look, made({"target_min": low, "target_max": high}))) == outside


def test_one_batch_out_of_range_is_enough_and_is_over_after_it(look, made):
    target_max = np.where(np.arange(400) == 70, 255, 1)
    finding = found(look, made({"target_max": target_max}))["out-of-range"]
    assert (finding.onset, finding.last, finding.severity, finding.evidence["target_max"]) == (70, 70, "info", 255)


@pytest.mark.parametrize(("value", "variant"), [(0.0, "empty"), (1.0, "one-valued")])
def test_targets_of_one_value_teach_nothing(value, variant, look, made):
    finding = found(look, made({"target_min": value, "target_max": value}))[variant]
    assert (finding.severity, finding.onset) == ("critical", 0)
    almost = np.where(np.arange(400) % 15 == 0, 0.5, value)
    assert variant not in found(
        look, made({"target_min": np.fmin(value, almost), "target_max": np.fmax(value, almost)})
    )


def test_class_indices_have_no_range_to_judge(look, made):
    assert found(look, made({"target_min": np.nan, "target_max": np.nan})) == {}


def test_one_class_with_all_labels_is_a_problem_and_labels_that_take_turns_are_none(look, made):
    one, turns = np.zeros((400, 12)), np.zeros((400, 12))
    one[:, 5], turns[np.arange(400), np.arange(400) % 2] = 8, 8
    assert found(look, made({"positives": one}))["one-valued"].severity == "critical"
    assert "one-valued" not in found(look, made({"positives": turns}))


def test_classes_without_a_positive_clip_are_counted_and_no_more_than_worth_knowing(look, made):
    positives = np.full((400, 12), 2.0)
    positives[:, :3] = 0
    finding = found(look, made({"positives": positives}))["class-without"]
    assert (finding.severity, dict(finding.evidence)) == ("info", {"classes_without_positives": 3})


def test_without_targets_it_is_undetermined(look, made):
    run = made({"positives": None, "lwlrap": None, "target_min": None, "target_max": None})
    assert [entry.why for entry in look(KIND, run).missing] == ["no targets were recorded; pass target= to step"]
    assert look(KIND, made({"positives": None, "lwlrap": None})).missing == []


UNRELATED = {**STUCK, "rho": 1.0, "loss": 0.35}


def test_a_net_that_works_and_learns_nothing_is_suspected_of_unrelated_labels(look, made):
    finding = found(look, made(UNRELATED))["unrelated"]
    assert (finding.severity, finding.onset, finding.last) == ("warning", 0, 399)
    assert finding.evidence["loss_over_label_entropy"] == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize(
    "otherwise",
    [
        {"evaluation.lwlrap": np.linspace(0.3, 0.5, 5)},
        {"evaluation.lwlrap": np.array([0.3, 0.5, 0.3, 0.3, 0.3])},
        {"rho": 0.49},
        {"rho": 2.1},
        {"update_ratio": 0.9e-4},
        {"update_ratio": 0.11},
        {"loss": 0.35 * 1.16},
        {"loss": 0.35 * 0.84},
        {"saturation.gru": 0.9},
    ],
    ids=["learned", "once learned", "killed", "wild", "slow", "fast", "above H0", "below H0", "dead states"],
)
def test_not_where_something_else_shows(otherwise, look, made):
    assert "unrelated" not in found(look, made({**UNRELATED, **otherwise}))


@pytest.mark.parametrize(("rows", "suspected"), [(149, False), (150, True)])
def test_not_before_a_slow_start_would_have_woken(rows, suspected, look, made):
    assert ("unrelated" in found(look, made(UNRELATED, rows=slice(0, rows)))) == suspected


def shuffled(since, **changes):
    columns = {**STUCK, "lwlrap": since(0.3, 0.8), "loss": since(0.6, 0.2), "clip_spread": 1.0, "rank_agreement": 0.6}
    return {**columns, **changes}


def test_labels_that_are_shuffled_in_mid_run_are_dated_to_the_iteration(look, made, since):
    finding = found(look, made(shuffled(since)))["shuffled"]
    assert (finding.severity, finding.onset) == ("critical", 100)
    assert finding.evidence["lwlrap_before"] == pytest.approx(0.8, abs=0.01)
    assert finding.evidence["lwlrap_after"] == pytest.approx(0.3, abs=0.01)


def test_a_fall_with_which_outputs_or_steps_change_is_none_of_labels(look, made, since):
    for other in ({"clip_spread": since(0.1, 1)}, {"update_ratio": since(np.full(7, 0.01), np.full(7, 1e-3))}):
        assert "shuffled" not in found(look, made(shuffled(since, **other)))


def test_nor_is_a_slow_one_or_one_that_is_made_good(look, made, since):
    at = np.arange(400)
    slow = np.clip(0.8 - (at - 100) / 300, 0.3, 0.8)
    back = np.where((at >= 100) & (at < 150), 0.3, 0.8)
    for score in (slow, back):
        assert "shuffled" not in found(look, made(shuffled(since, lwlrap=score)))


@pytest.mark.parametrize(
    ("low", "loss", "severity"), [(-1, 0.3, "info"), (-1, -0.3, "critical"), (-1, None, "critical")]
)
def test_a_mark_for_what_is_unknown_is_no_fault_where_the_loss_leaves_it_out(low, loss, severity, look, made):
    """A loss over targets of -1 goes below 0, unless they are masked."""
    columns = {"target_min": low, "loss": loss}
    assert found(look, made(columns))["out-of-range"].severity == severity
    assert found(look, made({**columns, "target_max": 2}))["out-of-range"].severity == "critical"


@pytest.mark.parametrize("loss", ["cross-entropy", "ctc", None])
def test_only_targets_of_probabilities_have_a_range(loss, look, made):
    assert "out-of-range" not in found(look, made({"target_max": 7}, loss_kind=loss))


@pytest.mark.parametrize(("often", "is_luck"), [(0.6, True), (0.2, False)])
def test_twenty_like_batches_in_a_row_are_luck_where_most_batches_are_alike(often, is_luck, look, made):
    """.6 of batches empty: twenty in a row have a chance of 4e-5; .2 of them: 1e-14."""
    target_max = (np.random.default_rng(0).random(400) > often).astype(float)
    target_max[[179, 200]], target_max[180:200] = 1, 0
    assert ("empty" in found(look, made({"target_max": target_max}))) != is_luck
