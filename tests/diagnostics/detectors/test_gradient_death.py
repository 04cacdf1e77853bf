import numpy as np
import pytest
from flatline.diagnostics.detectors.gradient_death import is_done
from flatline.diagnostics.view import View

KIND = "gradient-death"

STUCK = {"evaluation.lwlrap": 0.3, "loss": 0.36}


def judged(look, run):
    return [(finding.variant, finding.severity, finding.onset) for finding in look(KIND, run).findings]


@pytest.mark.parametrize(("share", "found"), [(0.011, 0), (0.009, 1)])
def test_one_in_a_hundred_of_its_peak_is_death(share, found, look, made, since):
    columns = {**STUCK, "gradient_norm_total": since(share, 1), "rho": 0.1}
    (finding,) = look(KIND, made(columns)).findings or [None]
    assert (finding is not None) == found
    if finding is not None:
        assert (finding.variant, finding.severity) == ("", "critical")
        assert 100 <= finding.onset <= 105
        assert (finding.evidence["peak"], finding.evidence["gradient_norm"]) == (1, pytest.approx(share))


@pytest.mark.parametrize(("norm", "variant"), [(0.9e-7, "zero"), (1.1e-7, "")])
def test_rounding_is_told_apart(norm, variant, look, made, since):
    assert judged(look, made({**STUCK, "gradient_norm_total": since(norm, 1), "rho": 0.1}))[0][0] == variant


def test_gradients_of_zero_from_the_first_row_have_no_peak_and_are_dead(look, made):
    assert judged(look, made({**STUCK, "gradient_norm_total": 0.0})) == [("zero", "critical", 0)]


def test_the_norm_before_clipping_counts(look, made, since):
    columns = {**STUCK, "gradient_norm_total": since(0.001, 1), "gradient_norm_unclipped": 1.0}
    assert judged(look, made(columns)) == []


@pytest.mark.parametrize(("loss", "found"), [(0.17, 0), (0.18, 1)])
def test_a_net_that_is_done_has_small_gradients_for_a_good_reason(loss, found, look, made, since):
    """Done is half of H0, .35."""
    columns = {
        "evaluation.lwlrap": 0.3,
        "loss": since(loss, 0.7, 50),
        "gradient_norm_total": since(1e-4, 1),
        "rho": 0.1,
    }
    assert len(judged(look, made(columns))) == found


def test_a_net_that_has_learned_comes_to_rest(look, made, since):
    """A full batch whose loss has no way left to fall."""
    columns = {"loss": 0.3, "gradient_norm_total": since(1e-4, 1), "rho": 0.1}
    assert judged(look, made(columns)) == []
    assert judged(look, made({**columns, "evaluation.lwlrap": 0.3})) != []


def test_a_gradient_far_below_an_explosion_but_as_large_as_label_noise_is_no_death(look, made, since):
    columns = {**STUCK, "gradient_norm_total": since(1, 500), "rho": 0.9}
    assert judged(look, made(columns)) == []


def test_a_factor_on_the_loss_is_no_learning(made, since):
    learned, scaled = (View(made({"loss": loss})) for loss in (since(0.1, 0.7), since(1e-5, 0.7)))
    assert (is_done(learned)[-1], is_done(scaled)[-1], is_done(learned)[50]) == (True, False, False)
    assert not is_done(View(made({"loss": None}))).any()


def test_a_part_whose_gradient_is_exactly_0_is_dead_too(look, made, since, of_parameters):
    columns = {"gradient_norm": since(of_parameters(conv=0, attention=0), 1.0), "loss": 0.34}
    assert judged(look, made(columns)) == [("part", "warning", 100)]
    (finding,) = look(KIND, made({**columns, "evaluation.lwlrap": 0.3})).findings
    assert (finding.severity, finding.where, finding.evidence["modules"]) == ("critical", "conv", 2)


def test_a_part_with_a_little_gradient_or_none_recorded_is_not(look, made, of_parameters):
    for value in (1e-12, np.nan):
        assert judged(look, made({**STUCK, "gradient_norm": of_parameters(conv=value)})) == []


def test_a_parameter_without_gradient_beside_one_of_0_is_dead(look, made):
    norms = np.full(7, 0.3)
    norms[:2] = 0, np.nan
    assert judged(look, made({**STUCK, "gradient_norm": norms})) == [("part", "critical", 0)]


def test_without_norms_it_is_undetermined(look, made):
    assert look(KIND, made({"gradient_norm": None, "gradient_norm_total": None})).missing[0].kind == KIND
