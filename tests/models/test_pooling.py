import pytest
import torch
from flatline.models.pooling import masked_mean, masked_softmax_time, prior_logit, weighted_mean


def with_junk(frames: torch.Tensor, mask: torch.Tensor, junk: float) -> torch.Tensor:
    """The same where a frame is real, junk on padding."""
    return torch.where(mask.unsqueeze(-1), frames, torch.full_like(frames, junk))


def test_masked_mean_equals_a_loop_over_real_frames(ragged_mask):
    frames = torch.randn(3, 7, 5)
    for clip, length in enumerate([7, 4, 1]):
        expected = sum(frames[clip, frame] for frame in range(length)) / length
        assert torch.allclose(masked_mean(frames, ragged_mask)[clip], expected, atol=1e-6)


def test_masked_mean_without_a_mask_is_the_mean():
    frames = torch.randn(2, 6, 3)
    assert torch.equal(masked_mean(frames, None), frames.mean(dim=1))


def test_softmax_over_time_equals_a_loop_and_is_exactly_zero_on_padding(ragged_mask):
    scores = torch.randn(3, 7, 5)
    weights = masked_softmax_time(scores, ragged_mask)
    for clip, length in enumerate([7, 4, 1]):
        for label in range(5):
            exponentials = [scores[clip, frame, label].exp().item() for frame in range(length)]
            expected = [value / sum(exponentials) for value in exponentials] + [0.0] * (7 - length)
            assert weights[clip, :, label].tolist() == pytest.approx(expected, abs=1e-6)
    assert (weights[~ragged_mask] == 0).all()


def test_weighted_mean_equals_a_loop(ragged_mask):
    frames, weights = torch.randn(3, 7, 5), torch.rand(3, 7, 5)
    pooled = weighted_mean(frames, weights, ragged_mask, floor=0.1)
    for clip, length in enumerate([7, 4, 1]):
        for label in range(5):
            above = sum(float(frames[clip, frame, label] * weights[clip, frame, label]) for frame in range(length))
            below = sum(float(weights[clip, frame, label]) for frame in range(length)) + 0.1
            assert float(pooled[clip, label]) == pytest.approx(above / below, abs=1e-5)


@pytest.mark.parametrize("junk", [1e6, float("inf"), float("nan")])
def test_junk_in_padded_frames_reaches_no_pooling_and_no_gradient(ragged_mask, junk):
    clean = torch.randn(3, 7, 5)
    weights = torch.rand(3, 7, 5)
    for pool in (
        lambda frames: masked_mean(frames, ragged_mask),
        lambda frames: masked_softmax_time(frames, ragged_mask),
        lambda frames: weighted_mean(frames, with_junk(weights, ragged_mask, junk), ragged_mask, 1e-7),
    ):
        dirty = with_junk(clean, ragged_mask, junk).requires_grad_()
        assert torch.equal(pool(dirty), pool(clean))
        pool(dirty).square().sum().backward()
        assert dirty.grad is not None
        assert torch.isfinite(dirty.grad).all()
        assert (dirty.grad[~ragged_mask] == 0).all()


@pytest.mark.filterwarnings("ignore:Anomaly Detection")
def test_a_clip_that_is_all_padding_is_zero_and_not_nan_even_on_the_way():
    mask = torch.tensor([[True, True], [False, False]])
    scores = torch.randn(2, 2, 3, requires_grad=True)
    weights = masked_softmax_time(scores, mask)
    pooled = weighted_mean(scores, weights, mask, 1e-7) + masked_mean(scores, mask)
    assert (pooled[1] == 0).all()
    with torch.autograd.detect_anomaly():
        (weights.square().sum() + pooled.sum()).backward()
    assert torch.isfinite(scores.grad).all()  # type: ignore[arg-type]


def test_the_prior_logit_is_undone_by_a_sigmoid_and_finite_without_positive_clips():
    prior = torch.tensor([0.3, 0.015, 0.0, 1.0], dtype=torch.float64)
    logit = prior_logit(prior)
    assert logit[:2].sigmoid().tolist() == pytest.approx([0.3, 0.015])
    assert torch.isfinite(logit).all()
    assert logit[2] < prior_logit(torch.tensor([1 / 24_785], dtype=torch.float64))
