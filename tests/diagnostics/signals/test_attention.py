from contextlib import ExitStack

import numpy as np
import pytest
import torch
from flatline.diagnostics.signals import AttentionMaps


@pytest.fixture
def maps(net):
    signal = AttentionMaps({"looks": "sigmoid", "classification": "softmax-time"})
    with ExitStack() as stack:
        signal.attach(net, [], stack)
        yield signal


def test_the_mean_map_is_that_of_the_training_pass(net, maps, collected):
    clips = torch.randn(3, 5, 6)
    net(clips)
    maps.see(None)
    values = collected(maps)
    np.testing.assert_allclose(values["maps"]["looks"], net.looks(clips).sigmoid().mean(dim=0).detach(), rtol=1e-5)
    assert set(values) == {
        "maps",
        *(f"attention_{name}" for name in ("entropy", "peak", "sum", "drift")),
        *(f"attention_{name}.classification" for name in ("entropy", "peak", "sum", "drift")),
    }
    assert values["attention_entropy"].shape == (4,)


def test_an_evaluation_between_two_steps_is_not_the_iteration_s_map(net, maps, collected):
    clips = torch.randn(3, 5, 6)
    net(clips)
    with torch.no_grad():
        net(torch.zeros(2, 5, 6))
    net.eval()(torch.ones(2, 5, 6))
    maps.see(None)
    expected = net.looks(clips).sigmoid().mean(dim=0).detach()
    np.testing.assert_allclose(collected(maps)["maps"]["looks"], expected, rtol=1e-5)


def test_a_map_is_not_carried_into_an_iteration_without_one(net, maps, collected):
    net(torch.randn(3, 5, 6))
    maps.see(None)
    assert collected(maps)
    maps.see(None)
    assert collected(maps) == {}


def test_accumulated_batches_are_pooled_each_with_its_own_mask(net, maps, collected):
    one, two = torch.randn(3, 5, 6), torch.randn(2, 5, 6)
    mask = torch.tensor([[True] * 5, [True, True, False, False, False]])
    net(one)
    maps.see(None)
    net(two)
    maps.see(mask)
    mean = collected(maps)["maps"]["looks"]
    with torch.no_grad():
        rows = [*net.looks(one).sigmoid(), net.looks(two[0]).sigmoid()]
        np.testing.assert_allclose(mean[4], torch.stack(rows).mean(dim=0)[4], rtol=1e-5)
        rows.append(net.looks(two[1]).sigmoid())
        np.testing.assert_allclose(mean[1], torch.stack(rows).mean(dim=0)[1], rtol=1e-5)


def test_what_is_forgotten_is_not_collected(net, maps, collected):
    net(torch.randn(3, 5, 6))
    maps.see(None)
    maps.forget()
    assert collected(maps) == {}


def test_without_maps_nothing_is_kept(collected):
    signal = AttentionMaps({})
    signal.see(None)
    assert collected(signal) == {}
