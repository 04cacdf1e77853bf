import numpy as np
import pytest
import torch
from flatline.diagnostics.signals import AttentionMaps
from flatline.diagnostics.signals.attention import moved_weight
from flatline.diagnostics.signals.kept import Kept


def test_all_of_the_weight_that_moves_to_other_frames_is_one_and_none_is_zero():
    first, last = torch.tensor([[1.0], [0.0]]), torch.tensor([[0.0], [1.0]])
    assert moved_weight(first, last).tolist() == [1]
    assert moved_weight(first, first).tolist() == [0]
    assert torch.isnan(moved_weight(None, first)).all()
    assert torch.isnan(moved_weight(torch.ones(3, 1), first)).all()


@pytest.mark.parametrize("masked", [False, True])
def test_sum_and_drift_equal_numpy_by_hand(net, collected, masked):
    """Of each class's mean map over the clips for which a frame is real, as shares of its sum."""
    signal = AttentionMaps({"looks": "sigmoid"})
    mask = torch.tensor([[True] * 5, [True, True, True, False, False]])
    shares, real = [], np.ones((2, 5, 1)) if not masked else mask.numpy()[..., None]
    for _ in range(2):
        clips = torch.randn(2, 5, 6)
        signal._newest.clear()
        weights = net.looks(clips).sigmoid().detach().numpy() * real
        signal._newest["looks"] = Kept("looks", net.looks(clips).detach(), 0)
        signal.see(mask if masked else None)
        values = collected(signal)
        np.testing.assert_allclose(values["attention_sum"], weights.sum(axis=1).mean(axis=0), rtol=1e-5)
        mean = weights.sum(axis=0) / real.sum(axis=0)
        shares.append(mean / mean.sum(axis=0))
    np.testing.assert_allclose(values["attention_drift"], np.abs(shares[1] - shares[0]).sum(axis=0) / 2, rtol=1e-4)
