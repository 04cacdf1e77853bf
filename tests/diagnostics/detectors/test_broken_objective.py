import numpy as np
import pytest

KIND = "broken-objective"


def variant(look, run):
    return [(finding.variant, finding.severity) for finding in look(KIND, run).findings]


def test_probabilities_that_the_loop_announced_are_certain_from_the_first_row(look, sick_run):
    (finding,) = look(KIND, sick_run(KIND, "declared", {"output_min": 0.1, "output_max": 0.9})).findings
    assert (finding.variant, finding.onset, finding.last) == ("declared", 0, 399)
    assert {"output_min", "output_max", "loss", "label_entropy", "ln2_distance", "rho"} == set(finding.evidence)


@pytest.mark.parametrize("loss", ["bce-with-logits", "cross-entropy"])
def test_scores_that_never_leave_0_to_1_are_none_of_logits(loss, look, made):
    inside = {"output_min": 0.0, "output_max": 1.0}
    assert variant(look, made(inside, loss_kind=loss)) == [("inferred", "critical")]
    assert look(KIND, made(inside, loss_kind=loss)).findings[0].evidence["output_max"] == 1


@pytest.mark.parametrize(
    "outside", [{"output_min": -0.001, "output_max": 1.0}, {"output_min": 0.0, "output_max": 1.01}]
)
def test_scores_that_leave_it_are_logits(outside, look, made):
    assert variant(look, made(outside)) == []


def test_one_row_outside_of_every_ten_is_enough_for_logits(look, made):
    low = np.where(np.arange(400) % 10 == 3, -0.1, 0.2)
    assert variant(look, made({"output_min": low, "output_max": 0.8})) == []


@pytest.mark.parametrize(("width", "found"), [(0.0005, []), (0.002, [("inferred", "critical")])])
def test_a_head_that_gives_zeros_is_no_sigmoid(width, found, look, made):
    assert variant(look, made({"output_min": 0.0, "output_max": width})) == found


@pytest.mark.parametrize("loss", ["bce", "ctc"])
def test_under_a_loss_that_takes_no_logits_probabilities_are_right(loss, look, made):
    found = look(KIND, made({"output_min": 0.1, "output_max": 0.9}, loss_kind=loss, output_kind="probabilities"))
    assert (found.findings, found.missing) == ([], [])


def test_a_loss_that_was_not_said_leaves_it_undetermined(look, made):
    found = look(KIND, made({"output_min": 0.1, "output_max": 0.9}, loss_kind=None))
    assert (found.findings, [entry.why for entry in found.missing]) == (
        [],
        ["what the loss expects was not said; pass loss= to the recorder"],
    )


def test_scores_that_were_not_passed_leave_it_undetermined(look, made):
    found = look(KIND, made({"output_min": None}))
    assert (found.findings, [entry.why for entry in found.missing]) == (
        [],
        ["the scores were not recorded; pass logits= or probabilities= to step"],
    )


STUCK = {"evaluation.lwlrap": 0.3, "output_min": -3, "output_max": 1}


@pytest.mark.parametrize(("rho", "loss", "found"), [(0.29, 0.6, 1), (0.31, 0.6, 0), (0.1, 0.52, 0), (0.0, 0.6, 0)])
def test_a_killed_head_at_a_loss_far_above_h0_is_one_by_its_effects(rho, loss, found, look, made):
    """H0 is .35, so far above is from .525 on; a rho of exactly 0 says that nothing was seen."""
    assert variant(look, made({**STUCK, "rho": rho, "loss": loss})) == [("effects", "critical")] * found


@pytest.mark.parametrize(("loss", "found"), [(np.log(2) + 0.019, 1), (np.log(2) + 0.021, 0)])
def test_so_is_a_loss_that_stays_at_ln_2(loss, found, look, made):
    assert variant(look, made({**STUCK, "loss": loss})) == [("effects", "critical")] * found
    assert variant(look, made({**STUCK, "loss": loss}, loss_kind="cross-entropy")) == []


def test_effects_are_no_objection_to_a_net_that_learns(look, made):
    assert variant(look, made({"rho": 0.05, "loss": 0.69})) == []


def test_the_range_told_is_that_of_the_stretch(look, made, since):
    run = made({"output_min": since(0.25, -5), "output_max": since(0.75, 5), "evaluation.lwlrap": 0.3})
    (finding,) = look(KIND, run).findings
    assert (finding.onset, finding.evidence["output_min"], finding.evidence["output_max"]) == (100, 0.25, 0.75)
