import math
from contextlib import ExitStack

import numpy as np
import pytest
import torch
from flatline.diagnostics.signals import Batch, WeightUpdates, weights


@pytest.fixture
def watched():
    stack = ExitStack()

    def watch(model, *optimizers):
        signal = WeightUpdates()
        signal.attach(model, list(optimizers), stack)
        return signal

    with stack:
        yield watch


def loss_of(net):
    return net(torch.randn(8, 10, 6)).square().mean()


def by_hand(before, after):
    """Norm of the change over the norm before, NaN from zero weights, in double precision."""
    pairs = [(old.double(), new.detach().double()) for old, new in zip(before, after, strict=True)]
    return [float((new - old).norm() / old.norm()) if old.norm() > 0 else math.nan for old, new in pairs]


def test_norms_are_those_of_the_weights_after_the_step_and_ratios_those_of_its_change(net, watched, collected):
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-2)
    signal = watched(net, optimizer)
    for _ in range(3):
        before = [parameter.detach().clone() for parameter in net.parameters()]
        optimizer.zero_grad()
        loss_of(net).backward()
        optimizer.step()
        values = collected(signal)
        expected = [float(parameter.detach().double().norm()) for parameter in net.parameters()]
        np.testing.assert_allclose(values["weight_norm"], expected, rtol=1e-6)
        np.testing.assert_allclose(values["update_ratio"], by_hand(before, net.parameters()), rtol=1e-5)


def test_the_ratio_is_over_the_weights_before_even_if_the_loop_changed_them_in_between(net, watched, collected):
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    signal = watched(net, optimizer)
    for _ in range(2):
        before = [parameter.detach().clone() for parameter in net.parameters()]
        loss_of(net).backward()
        optimizer.step()
        values = collected(signal)
        np.testing.assert_allclose(values["update_ratio"], by_hand(before, net.parameters()), rtol=1e-4)
        with torch.no_grad():
            for parameter in net.parameters():
                parameter.mul_(3)


def test_zero_weights_have_no_ratio_and_neither_have_frozen_or_unused_ones(net, watched, collected):
    net.unused = torch.nn.Linear(2, 2)
    net.gru.requires_grad_(False)
    torch.nn.init.zeros_(net.classification.bias)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    signal = watched(net, optimizer)
    loss_of(net).backward()
    optimizer.step()
    values = collected(signal)
    ratios = dict(zip([name for name, _ in net.named_parameters()], values["update_ratio"], strict=True))
    unseen = {name for name, ratio in ratios.items() if math.isnan(ratio)}
    assert {name.split(".")[0] for name in unseen - {"classification.bias"}} == {"gru", "unused"}
    assert "classification.bias" in unseen
    assert np.isfinite(values["weight_norm"]).all()


@pytest.mark.parametrize("kind", [torch.nn.GRU, torch.nn.LSTM])
def test_gates_are_the_rows_of_the_parameter_in_pytorchs_order(kind, watched, collected):
    model = kind(3, 4, num_layers=2, bidirectional=True)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    signal = watched(model, optimizer)
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    model(torch.randn(5, 2, 3))[0].square().sum().backward()
    optimizer.step()
    values = collected(signal)
    norms = dict(zip(signal.description()["gates"], values["gate_weight_norm"], strict=True))
    ratios = dict(zip(signal.description()["gates"], values["gate_update_ratio"], strict=True))
    letters = "rzn" if kind is torch.nn.GRU else "ifgo"
    assert len(norms) == len(before) * len(letters)
    for name, parameter in model.named_parameters():
        for place, letter in enumerate(letters):
            rows = slice(4 * place, 4 * place + 4)
            now, old = parameter.detach()[rows].double(), before[name][rows].double()
            assert norms[f"{name}/{letter}"] == pytest.approx(float(now.norm()), rel=1e-6)
            assert ratios[f"{name}/{letter}"] == pytest.approx(float((now - old).norm() / old.norm()), rel=1e-5)


def test_a_network_larger_than_the_copies_may_be_is_measured_in_turns(net, watched, collected, monkeypatch):
    monkeypatch.setattr(weights, "COPIED", 150)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    signal = watched(net, optimizer)
    seen = np.zeros(len(list(net.parameters())), dtype=int)
    turns = 0
    while turns < 20 and not seen.all():
        before = [parameter.detach().clone() for parameter in net.parameters()]
        loss_of(net).backward()
        optimizer.step()
        ratio = collected(signal)["update_ratio"]
        measured = ~np.isnan(ratio)
        np.testing.assert_allclose(ratio[measured], np.array(by_hand(before, net.parameters()))[measured], rtol=1e-4)
        copied = sum(copy.numel() for turn in signal._turns for copy in turn._copies.values())
        assert copied <= max(150, max(parameter.numel() for parameter in net.parameters()))
        seen += measured
        turns += 1
    assert seen.all()
    assert turns > 1


def test_a_skipped_step_has_no_ratio(net, watched, collected):
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    signal = watched(net, optimizer)
    loss_of(net).backward()
    optimizer.step()
    values = collected(signal, Batch(0, None, None, None, None, skipped=True))
    assert np.isnan(values["update_ratio"]).all()
    assert np.isfinite(values["weight_norm"]).all()


def test_a_closure_that_computes_the_gradients_within_the_step_is_seen_from_the_first_step(net, watched, collected):
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    signal = watched(net, optimizer)
    before = [parameter.detach().clone() for parameter in net.parameters()]

    def closure():
        optimizer.zero_grad()
        loss = loss_of(net)
        loss.backward()
        return loss

    optimizer.step(closure)
    np.testing.assert_allclose(collected(signal)["update_ratio"], by_hand(before, net.parameters()), rtol=1e-5)
