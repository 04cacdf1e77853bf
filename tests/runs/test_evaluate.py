import numpy as np
import pytest
import torch
from flatline.runs.evaluate import scores_of
from flatline.runs.losses import criterion
from flatline.runs.train import make_model


def test_scores_are_those_of_eval_mode_and_leave_the_model_as_it_was(small_recipe, small_task):
    model = make_model(small_recipe(), small_task).train()
    model.head.eval()
    state = torch.get_rng_state()
    scores, loss = scores_of(
        model, small_task.validation_batches(5), use_mask=False, criterion=criterion("bce-with-logits", "logits")
    )
    assert model.training
    assert not model.head.training
    assert torch.equal(torch.get_rng_state(), state)
    assert not any(parameter.grad is not None for parameter in model.parameters())
    whole = small_task.batch(small_task.validation)
    with torch.no_grad():
        expected = model.eval()(whole.inputs)
    np.testing.assert_allclose(scores, expected, atol=1e-6)
    full = torch.nn.functional.binary_cross_entropy_with_logits(expected, whole.target)
    assert loss == pytest.approx(full.item(), rel=1e-5)  # the mean over clips, though the last batch is smaller


def test_without_a_criterion_the_loss_is_nan(small_recipe, small_task):
    model = make_model(small_recipe(), small_task)
    assert np.isnan(scores_of(model, small_task.validation_batches(), use_mask=False)[1])
