import copy

import pytest
import torch
from flatline.models import build
from flatline.models.simple_cgrnn import SimpleCGRNN


def looped(model: SimpleCGRNN, clips: torch.Tensor) -> torch.Tensor:
    """The front end as the seed ran it: one call of the convolution for each frame."""
    frames = []
    for frame in range(clips.shape[1]):
        filtered = model.conv(clips[:, frame].unsqueeze(1))  # (clip, 1, mel)
        frames.append(torch.relu(model.pool(filtered)).squeeze(1))
    return torch.stack(frames, dim=1)


def test_the_seed_s_net_has_107811_parameters():
    model = build("simple-cgrnn", "input-attention", n_classes=80, n_mels=256)
    assert sum(parameter.numel() for parameter in model.parameters()) == 107_811


@pytest.mark.parametrize("n_clips", [1, 4])
def test_all_frames_at_once_give_the_numbers_and_gradients_of_a_loop_over_frames(n_clips):
    at_once = build("simple-cgrnn", "mean", n_classes=4, n_mels=256).double()
    one_by_one = copy.deepcopy(at_once)
    clips = torch.randn(n_clips, 33, 256, dtype=torch.float64)
    weights = torch.randn(n_clips, 33, 20, dtype=torch.float64)
    results = []
    for model, encode in ((at_once, SimpleCGRNN.encode), (one_by_one, looped)):
        given = clips.clone().requires_grad_()
        features = encode(model, given)
        (features * weights).sum().backward()
        results.append((features, given.grad, model.conv.weight.grad, model.conv.bias.grad))
    for ours, expected in zip(*results, strict=True):
        assert torch.allclose(ours, expected, rtol=0, atol=1e-10)


def test_dropout_drops_whole_frames_in_training_and_none_in_evaluation():
    model = build("simple-cgrnn", "mean", n_classes=4, n_mels=256, options={"frame_dropout": 0.5})
    with torch.no_grad():
        model.linear.bias.fill_(10.0)  # no ReLU is shut, so that a zero is a dropped one
    hidden = model.recur(torch.randn(3, 200, 20))
    dropped = (hidden == 0).all(dim=-1)
    assert torch.equal(dropped, (hidden == 0).any(dim=-1))
    assert 0.4 < dropped.float().mean() < 0.6
    assert (model.eval().recur(torch.randn(3, 50, 20)) > 0).all()


def test_too_few_mels_are_refused_with_what_to_do():
    with pytest.raises(ValueError, match=r"n_mels is 58, too few for simple-cgrnn's kernel 50 and pool 10; make these"):
        build("simple-cgrnn", "mean", n_classes=4, n_mels=58)
    assert build("simple-cgrnn", "mean", n_classes=4, n_mels=59).gru.input_size == 1
