import pytest
import torch
from flatline.models import build
from flatline.models.cgrnn import CGRNN, GatedConv


def test_the_seed_s_net_has_812016_parameters():
    model = build("cgrnn", "input-attention", n_classes=80, n_mels=64)
    assert sum(parameter.numel() for parameter in model.parameters()) == 812_016


def test_a_gated_convolution_is_its_linear_half_times_the_sigmoid_of_the_other():
    block = GatedConv(2, 3).eval()
    maps = torch.randn(2, 2, 5, 6)
    both = block.norm(block.conv(maps))
    assert torch.allclose(block(maps), both[:, :3] * both[:, 3:].sigmoid(), atol=1e-6)


def test_recurrence_is_the_forward_half_times_the_sigmoid_of_the_backward_half():
    model = build("cgrnn", "mean", n_classes=3, n_mels=16, options={"channels": 2, "n_hidden": 4})
    assert isinstance(model, CGRNN)
    features = torch.randn(2, 6, 4)
    both, _ = model.gru(features)
    assert torch.allclose(model.recur(features), both[..., :4] * both[..., 4:].sigmoid(), atol=1e-6)


@pytest.mark.parametrize("n_mels", [16, 31, 64])
def test_frames_are_never_pooled(n_mels):
    model = build("cgrnn", "mean", n_classes=3, n_mels=n_mels, options={"channels": 2, "n_hidden": 4})
    assert model.encode(torch.randn(2, 11, n_mels)).shape == (2, 11, 4)


def test_hidden_features_are_twice_the_channels_unless_said():
    assert build("cgrnn", "mean", n_classes=3, n_mels=16, options={"channels": 3}).gru.hidden_size == 6


def test_too_few_mels_are_refused_with_what_to_do():
    with pytest.raises(ValueError, match=r"n_mels is 15, but cgrnn halves it 4 times; give 16 or more"):
        build("cgrnn", "mean", n_classes=3, n_mels=15)
