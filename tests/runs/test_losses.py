import pytest
import torch
from flatline.runs.losses import criterion
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
