import torch
from flatline.models import build
from flatline.models.resnet import ResidualBlock


def test_a_block_adds_its_shortcut():
    block = ResidualBlock(4, 4).eval()
    with torch.no_grad():
        block.residual[-1].weight.zero_()  # type: ignore[union-attr]
    maps = torch.randn(2, 4, 5, 6)
    assert torch.equal(block(maps), maps.relu())


def test_a_block_that_widens_halves_the_mel_bins_and_keeps_the_frames():
    assert ResidualBlock(4, 8)(torch.randn(2, 4, 5, 6)).shape == (2, 8, 5, 3)


def test_frames_are_never_pooled_and_features_are_four_times_the_channels():
    model = build("resnet", "mean", n_classes=3, n_mels=32, options={"channels": 4})
    assert model.encode(torch.randn(2, 11, 32)).shape == (2, 11, 16)
    assert not any(isinstance(module, torch.nn.RNNBase) for module in model.modules())
