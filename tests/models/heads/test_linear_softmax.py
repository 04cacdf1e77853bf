import pytest
import torch
from flatline.models import build
from flatline.models.heads import LinearSoftmaxHead


def head(n_hidden=3, n_classes=2):
    return LinearSoftmaxHead(n_hidden, n_classes, 4)


def test_a_clips_score_is_the_sum_of_squares_over_the_sum():
    model = head(n_hidden=1, n_classes=1)
    frames = torch.tensor([0.1, 0.5, 0.9])
    with torch.no_grad():
        model.classification.weight.fill_(1.0)
        model.classification.bias.zero_()
        score = model(frames.logit().reshape(1, 3, 1), torch.zeros(1, 3, 4))
    assert float(score) == pytest.approx((0.01 + 0.25 + 0.81) / 1.5, abs=1e-6)


def test_the_score_lies_between_mean_and_maximum_and_is_a_probability():
    model, hidden = head(), torch.randn(20, 9, 3) * 3
    frames = model.classification(hidden).sigmoid()
    scores = model(hidden, torch.zeros(20, 9, 4))
    assert (scores >= frames.mean(dim=1) - 1e-6).all()
    assert (scores <= frames.amax(dim=1) + 1e-6).all()
    assert model.output == "probabilities"
    assert model.maps == {"classification": "sigmoid"}


def test_padding_has_no_part(ragged_mask):
    model, hidden = head(), torch.randn(3, 7, 3)
    scores = model(hidden, torch.zeros(3, 7, 4), ragged_mask)
    for clip, length in enumerate((7, 4, 1)):
        alone = model(hidden[clip : clip + 1, :length], torch.zeros(1, length, 4))
        torch.testing.assert_close(scores[clip : clip + 1], alone)


def test_frames_that_say_nothing_give_zero_and_a_gradient_that_is_finite():
    model = head()
    with torch.no_grad():
        model.classification.bias.fill_(-1e4)
    hidden = torch.randn(2, 5, 3, requires_grad=True)
    scores = model(hidden, torch.zeros(2, 5, 4))
    scores.sum().backward()
    assert scores.tolist() == [[0.0, 0.0], [0.0, 0.0]]
    assert torch.isfinite(hidden.grad).all()


def test_a_network_with_the_prior_bias_starts_at_the_prior():
    torch.manual_seed(0)
    model = build("cgrnn", "linear-softmax", n_classes=4, n_mels=32, options={"channels": 8, "n_hidden": 32})
    prior = torch.tensor([0.01, 0.05, 0.2, 0.5])
    model.head.set_prior_bias(prior)
    with torch.no_grad():
        scores = model.eval()(torch.randn(8, 12, 32)).mean(dim=0)
    torch.testing.assert_close(scores, prior, rtol=0.25, atol=0)
