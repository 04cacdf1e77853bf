import torch
from flatline.models import build


def test_there_is_no_convolution_and_no_recurrence_and_frames_do_not_mix():
    model = build("attention-only", "input-attention", n_classes=3, n_mels=8).eval()
    kinds = {type(module) for module in model.modules()}
    assert not kinds & {torch.nn.Conv1d, torch.nn.Conv2d, torch.nn.GRU}
    clips = torch.randn(2, 9, 8)
    assert torch.allclose(model(clips), model(clips[:, torch.randperm(9)]), atol=1e-6)
