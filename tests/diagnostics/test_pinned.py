import numpy as np
import pytest
import torch
from flatline.diagnostics.pinned import PinnedClips, evaluating


def test_scores_and_maps_are_those_of_the_clip_alone_in_evaluation_mode(net):
    clips = {"a.wav": torch.randn(10, 6), "b.wav": torch.randn(4, 6)}
    scores, maps = PinnedClips(net, clips, {"looks": "sigmoid"}).measure()
    for name, clip in clips.items():
        expected = net(clip.unsqueeze(0))[0].detach().numpy()
        np.testing.assert_allclose(scores[f"scores.{name}"], expected, rtol=1e-6)
        np.testing.assert_allclose(maps[name]["looks"], net.looks(clip).sigmoid().detach().numpy(), rtol=1e-6)


def test_nothing_is_left_behind(net, hooks_on):
    net.train()
    net.looks.eval()
    state = torch.get_rng_state()
    PinnedClips(net, {"a": torch.ones(3, 6)}, {"looks": "sigmoid"}).measure()
    assert hooks_on(net) == 0
    assert torch.equal(state, torch.get_rng_state())
    assert (net.training, net.gru.training, net.looks.training) == (True, True, False)


def test_after_a_fault_too(net, hooks_on):
    net.train()
    with pytest.raises(RuntimeError):
        PinnedClips(net, {"a": torch.randn(3, 7)}, {"looks": "sigmoid"}).measure()
    assert hooks_on(net) == 0
    assert net.gru.training


def test_of_several_outputs_the_first_is_scored():
    class Two(torch.nn.Linear):
        def forward(self, input):
            return super().forward(input), None

    scores, _ = PinnedClips(Two(3, 2), {"a": torch.ones(3)}, {}).measure()
    assert scores["scores.a"].shape == (2,)


def test_it_works_within_inference_mode(net):
    with torch.inference_mode():
        _, maps = PinnedClips(net, {"a": torch.ones(3, 6)}, {"looks": "sigmoid"}).measure()
    assert maps["a"]["looks"].shape == (3, 4)


def test_without_clips_the_model_is_not_run():
    assert PinnedClips(torch.nn.Module(), {}, {}).measure() == ({}, {})


@pytest.mark.parametrize("name", ["mean", "a/b.wav", "..", ".hidden", ""])
def test_any_name_will_do(net, name):
    scores, maps = PinnedClips(net, {name: torch.ones(3, 6)}, {"looks": "sigmoid"}).measure()
    assert list(scores) == [f"scores.{name}"]
    assert maps[name]["looks"].shape == (3, 4)


def test_random_numbers_drawn_in_evaluation_are_put_back(net):
    state = torch.get_rng_state()
    with evaluating(net):
        torch.randn(5)
    assert torch.equal(state, torch.get_rng_state())
