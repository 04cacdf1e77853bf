import math

import pytest
import torch
from flatline.runs.losses import binary_cross_entropy, criterion, resting_point
from flatline.runs.recipe import RecipeError
from torch.nn import functional


def test_bce_on_logits_is_refused_with_two_ways_out():
    with pytest.raises(RecipeError, match=r"loss is bce, .* gives logits \(recipe\); set loss=bce-with-logits or"):
        criterion("bce", "logits")


def test_probabilities_into_a_loss_on_logits_are_allowed_since_that_is_what_is_shown():
    probabilities, target = torch.tensor([[0.2, 0.9]]), torch.tensor([[0.0, 1.0]])
    expected = functional.binary_cross_entropy_with_logits(probabilities, target)
    assert criterion("bce-with-logits", "probabilities")(probabilities, target) == expected


def test_probabilities_a_hair_outside_the_unit_interval_have_a_loss():
    loss = criterion("bce", "probabilities")(torch.tensor([[1 + 1e-6, -1e-6]]), torch.tensor([[1.0, 0.0]]))
    assert loss == 0


P = torch.tensor([[0.9, 0.6, 0.04, 0.3]], dtype=torch.float64)
TARGET = torch.tensor([[1.0, 0.0, 0.0, 1.0]], dtype=torch.float64)
BY_HAND = {
    "focal": [0.1**2 * -math.log(0.9), 0.6**2 * -math.log(0.4), 0.04**2 * -math.log(0.96), 0.7**2 * -math.log(0.3)],
    "asymmetric": [-math.log(0.9), 0.55**4 * -math.log(0.45), 0.0, -math.log(0.3)],
}
"""RetinaNet's equation 4 at gamma 2; ASL's equations 4 to 7 at gammas 0 and 4, and a margin of .05."""


@pytest.mark.parametrize("focus", BY_HAND)
def test_a_bent_loss_is_its_papers_formula_on_probabilities_and_on_logits(focus):
    wanted = sum(BY_HAND[focus]) / 4
    assert float(criterion("bce", "probabilities", focus)(P.float(), TARGET.float())) == pytest.approx(wanted, rel=1e-4)
    assert float(criterion("bce-with-logits", "logits", focus)(P.logit(), TARGET)) == pytest.approx(wanted, rel=1e-6)


@pytest.mark.parametrize("focus", BY_HAND)
@pytest.mark.parametrize("score", [-200.0, -30.0, 0.0, 30.0, 200.0])
def test_a_bent_loss_and_its_gradient_are_finite_for_any_logit(focus, score):
    logits = torch.full((1, 2), score, requires_grad=True)
    loss = criterion("bce-with-logits", "logits", focus)(logits, torch.tensor([[0.0, 1.0]]))
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(logits.grad).all()


@pytest.mark.parametrize("focus", BY_HAND)
@pytest.mark.parametrize("score", [0.0, 1e-30, 0.5, 1.0])
def test_a_bent_loss_and_its_gradient_are_finite_for_any_probability(focus, score):
    probabilities = torch.full((1, 2), score, requires_grad=True)
    loss = criterion("bce", "probabilities", focus)(probabilities, torch.tensor([[0.0, 1.0]]))
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(probabilities.grad).all()


def test_without_a_focus_the_losses_are_the_plain_ones():
    assert criterion("bce-with-logits", "logits") is functional.binary_cross_entropy_with_logits
    assert criterion("bce", "probabilities", "none") is binary_cross_entropy


@pytest.mark.parametrize("focus", BY_HAND)
def test_bending_does_not_make_a_misfit_fit(focus):
    with pytest.raises(RecipeError, match=r"loss is bce, .* gives logits"):
        criterion("bce", "logits", focus)
    broken = criterion("bce-with-logits", "probabilities", focus)(P, TARGET)
    assert broken == criterion("bce-with-logits", "logits", focus)(P, TARGET)


@pytest.mark.parametrize("focus", BY_HAND)
def test_a_constant_predictor_at_its_resting_point_is_pulled_neither_way(focus):
    prior = torch.tensor([0.015, 0.3, 0.9])
    logits = resting_point(prior, focus).logit().requires_grad_()
    loss = criterion("bce-with-logits", "logits", focus)
    pulls = []
    for at in (logits, logits - 0.05, logits + 0.05):
        there, absent = (torch.stack([loss(z, torch.tensor(label)) for z in at]) for label in (1.0, 0.0))
        (pull,) = torch.autograd.grad((prior * there + (1 - prior) * absent).sum(), logits)
        pulls.append(pull)
    assert (pulls[0].abs() < 2e-3 * prior).all()
    assert (pulls[1] < 0).all()
    assert (pulls[2] > 0).all()
    assert (logits.sigmoid() > prior).all() == (focus == "asymmetric")


def test_an_unbent_loss_rests_at_the_prior():
    prior = torch.tensor([0.0, 0.015, 1.0], dtype=torch.float64)
    assert resting_point(prior, "none") is prior
