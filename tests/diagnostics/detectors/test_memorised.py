"""Training clips that were learned by heart: a form of label-problem."""

import numpy as np
import pytest

KIND = "label-problem"

BY_HEART = {"evaluation.lwlrap": 0.3, "lwlrap": 0.9, "loss": 0.1}


def memorised(look, run):
    return "memorised" in [finding.variant for finding in look(KIND, run).findings]


def test_training_clips_that_are_known_while_no_other_is_were_learned_by_heart(look, made, since):
    (finding,) = look(KIND, made({**BY_HEART, "loss": since(0.1, 0.36)})).findings
    assert (finding.variant, finding.severity) == ("memorised", "warning")
    assert 100 <= finding.onset <= 120
    assert finding.evidence["lwlrap_above_constant"] == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(("loss", "is_known"), [(0.24, True), (0.25, False)])
def test_known_is_a_loss_of_seven_tenths_of_h0(loss, is_known, look, made):
    assert memorised(look, made({**BY_HEART, "loss": loss})) == is_known


@pytest.mark.parametrize(("score", "is_known"), [(0.49, False), (0.51, True)])
def test_and_batches_that_are_ranked_well_above_the_constant_level(score, is_known, look, made):
    """A loss may be small for its weights."""
    assert memorised(look, made({**BY_HEART, "lwlrap": score})) == is_known


def test_it_takes_two_evaluations_that_say_so(look, made):
    assert not memorised(look, made(BY_HEART, evaluated=[400]))
    assert memorised(look, made(BY_HEART, evaluated=[300, 400]))
    before = np.array([0.9, 0.3, 0.3, 0.5, 0.31])
    assert not memorised(look, made({**BY_HEART, "evaluation.lwlrap": before}))
