import math
from contextlib import ExitStack

import numpy as np
import pytest
import torch
from flatline.diagnostics.readback import on_host
from flatline.diagnostics.signals import Batch, GradientNorms
from torch import nn

EMPTY = Batch(0, None, None, None, None)


class Watched:
    """A signal on a model and its optimisers."""

    def __init__(self, model: nn.Module, *optimizers: torch.optim.Optimizer) -> None:
        self.signal, self.stack = GradientNorms(), ExitStack()
        self.signal.attach(model, list(optimizers), self.stack)

    def collect(self) -> dict:
        return dict(self.signal.collect(EMPTY, on_host(self.signal.take())))


def by_autograd(model: nn.Module, loss: torch.Tensor) -> list[float]:
    """Norms from autograd alone, without `.grad`, summed in double precision."""
    gradients = torch.autograd.grad(loss, list(model.parameters()), retain_graph=True)
    return [math.sqrt(gradient.double().square().sum().item()) for gradient in gradients]


def loss_of(model: nn.Module) -> torch.Tensor:
    return model(torch.randn(8, 10, 6)).square().mean()


def test_norms_equal_autograd_by_hand(net):
    optimizer = torch.optim.Adam(net.parameters())
    watched = Watched(net, optimizer)
    loss = loss_of(net)
    expected = by_autograd(net, loss)
    loss.backward()
    optimizer.step()
    values = watched.collect()
    np.testing.assert_allclose(values["gradient_norm"], expected, rtol=1e-6)
    assert values["gradient_norm_total"] == pytest.approx(math.sqrt(sum(norm**2 for norm in expected)), rel=1e-6)
    assert values["gradient_norm_mean"] == pytest.approx(sum(expected) / len(expected), rel=1e-6)
    assert (values["nonfinite_gradients"], values["learning_rate"]) == (0, 1e-3)


def test_they_are_read_as_the_optimiser_steps_so_after_clipping(net):
    optimizer = torch.optim.SGD(net.parameters(), lr=0.5)
    watched = Watched(net, optimizer)
    loss_of(net).backward()
    unclipped = nn.utils.clip_grad_norm_(net.parameters(), 1e-3)
    optimizer.step()
    optimizer.zero_grad()
    assert unclipped > 2e-3
    assert watched.collect()["gradient_norm_total"] == pytest.approx(1e-3, rel=1e-3)


def test_accumulated_gradients_are_read_once_as_their_sum(net):
    optimizer = torch.optim.SGD(net.parameters(), lr=0.5)
    watched = Watched(net, optimizer)
    for _ in range(3):
        loss_of(net).backward()
    expected = [float(parameter.grad.norm()) for parameter in net.parameters()]  # type: ignore[union-attr]
    optimizer.step()
    np.testing.assert_allclose(watched.collect()["gradient_norm"], expected, rtol=1e-6)


def test_frozen_unused_and_unheld_parameters_are_nan_and_not_zero(net):
    net.unused = nn.Linear(2, 2)
    net.unheld = nn.Linear(6, 6)
    net.gru.requires_grad_(False)
    held = [parameter for name, parameter in net.named_parameters() if not name.startswith("unheld")]
    optimizer = torch.optim.SGD(held)
    watched = Watched(net, optimizer)
    net(net.unheld(torch.randn(8, 10, 6))).square().mean().backward()
    optimizer.step()
    norms = dict(zip(watched.signal.names, watched.collect()["gradient_norm"], strict=True))
    unseen = {name.split(".")[0] for name, norm in norms.items() if math.isnan(norm)}
    seen = {name.split(".")[0] for name, norm in norms.items() if norm > 0}
    assert unseen == {"gru", "unused", "unheld"}
    assert seen == {"looks", "classification"}


def test_a_gradient_that_is_exactly_zero_is_zero_and_not_nan(net):
    optimizer = torch.optim.SGD(net.parameters())
    watched = Watched(net, optimizer)
    (loss_of(net) * 0).backward()
    optimizer.step()
    values = watched.collect()
    assert (values["gradient_norm"] == 0).all()
    assert values["gradient_norm_total"] == 0


def test_a_gradient_that_is_nan_is_not_taken_for_one_that_is_missing(net):
    net.unused = nn.Linear(2, 2)
    optimizer = torch.optim.SGD(net.parameters())
    watched = Watched(net, optimizer)
    loss_of(net).backward()
    net.looks.bias.grad[0] = float("nan")
    net.looks.weight.grad[0] = float("inf")
    optimizer.step()
    values = watched.collect()
    assert values["nonfinite_gradients"] == 2
    assert math.isnan(values["gradient_norm_total"])


def test_without_a_step_everything_is_nan(net):
    watched = Watched(net, torch.optim.SGD(net.parameters()))
    loss_of(net).backward()
    assert not watched.signal.fired
    values = watched.collect()
    assert np.isnan(values.pop("gradient_norm")).all()
    assert np.isnan(values.pop("gate_gradient_norm")).all()
    assert all(math.isnan(value) for value in values.values())


def test_norms_are_not_carried_into_the_next_iteration(net):
    optimizer = torch.optim.SGD(net.parameters())
    watched = Watched(net, optimizer)
    loss_of(net).backward()
    optimizer.step()
    watched.collect()
    assert not watched.signal.fired
    assert np.isnan(watched.collect()["gradient_norm"]).all()


def test_several_optimisers_fill_one_row_and_the_first_gives_the_learning_rate(net):
    first = torch.optim.SGD(net.gru.parameters(), lr=0.3)
    second = torch.optim.Adam([*net.looks.parameters(), *net.classification.parameters()], lr=0.1)
    watched = Watched(net, first, second)
    loss = loss_of(net)
    expected = by_autograd(net, loss)
    loss.backward()
    second.step()
    first.step()
    values = watched.collect()
    np.testing.assert_allclose(values["gradient_norm"], expected, rtol=1e-6)
    assert values["learning_rate"] == pytest.approx(0.3)


def test_an_optimiser_that_does_not_step_leaves_its_parameters_nan(net):
    first, second = torch.optim.SGD(net.gru.parameters()), torch.optim.SGD(net.looks.parameters())
    watched = Watched(net, first, second)
    loss_of(net).backward()
    second.step()
    assert watched.signal.fired
    norms = dict(zip(watched.signal.names, watched.collect()["gradient_norm"], strict=True))
    assert norms["looks.weight"] > 0
    assert math.isnan(norms["gru.weight_ih_l0"])


def test_shared_weights_are_one_parameter():
    tied = nn.Sequential(nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 4))
    tied[2].weight = tied[0].weight
    optimizer = torch.optim.SGD(tied.parameters())
    watched = Watched(tied, optimizer)
    loss = tied(torch.randn(5, 4)).square().sum()
    expected = by_autograd(tied, loss)
    loss.backward()
    optimizer.step()
    assert watched.signal.names == ["0.weight", "0.bias", "2.bias"]
    np.testing.assert_allclose(watched.collect()["gradient_norm"], expected, rtol=1e-6)


def test_a_sparse_gradient_has_the_norm_of_the_dense_one():
    sparse, dense = nn.Embedding(10, 3, sparse=True), nn.Embedding(10, 3)
    dense.load_state_dict(sparse.state_dict())
    norms = []
    for model in (sparse, dense):
        optimizer = torch.optim.SGD(model.parameters())
        watched = Watched(model, optimizer)
        model(torch.tensor([1, 4, 1, 1])).square().sum().backward()  # a row that comes up again is summed
        optimizer.step()
        norms.append(watched.collect()["gradient_norm"][0])
    assert norms[0] == pytest.approx(norms[1], rel=1e-6)


@pytest.mark.parametrize("as_keyword", [True, False])
def test_gradients_that_a_closure_computes_within_the_step_are_read(net, as_keyword):
    """Lightning hands every optimiser a closure; before it has run the gradients are the last iteration's or none."""
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    watched = Watched(net, optimizer)
    clips = torch.randn(8, 10, 6)
    expected = by_autograd(net, net(clips).square().mean())

    def closure():
        optimizer.zero_grad()
        loss = net(clips).square().mean()
        loss.backward()
        return loss

    loss = optimizer.step(closure=closure) if as_keyword else optimizer.step(closure)
    assert loss is not None
    np.testing.assert_allclose(watched.collect()["gradient_norm"], expected, rtol=1e-6)


def test_of_an_optimiser_that_calls_its_closure_often_the_first_gradients_are_read(net):
    optimizer = torch.optim.LBFGS(net.parameters(), max_iter=4)
    watched = Watched(net, optimizer)
    clips, calls = torch.randn(8, 10, 6), []
    expected = by_autograd(net, net(clips).square().mean())

    def closure():
        optimizer.zero_grad()
        loss = net(clips).square().mean()
        loss.backward()
        calls.append(loss)
        return loss

    optimizer.step(closure)
    assert len(calls) > 1
    np.testing.assert_allclose(watched.collect()["gradient_norm"], expected, rtol=1e-6)


def test_a_fault_while_reading_does_not_reach_the_optimiser_s_step(net, monkeypatch):
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    watched = Watched(net, optimizer)
    monkeypatch.setattr("flatline.diagnostics.signals.gradients.l2_norms", lambda tensors: 1 / 0)
    loss_of(net).backward()
    before = net.looks.bias.detach().clone()
    optimizer.step()
    assert not torch.equal(before, net.looks.bias)
    assert watched.signal.fired
    with pytest.raises(ZeroDivisionError):
        watched.collect()


def scaled_step(net, optimizer, scaler, overflow: bool) -> list[float]:
    """One iteration under a gradient scaler; returns the unscaled norms."""
    optimizer.zero_grad()
    loss = loss_of(net)
    expected = by_autograd(net, loss)
    scaler.scale(loss).backward()
    if overflow:
        net.looks.bias.grad[0] = float("inf")
    scaler.step(optimizer)
    scaler.update()
    return expected


@pytest.mark.parametrize("fused", [False, True])
def test_under_a_gradient_scaler_norms_are_unscaled_and_an_overflow_is_no_step(net, fused):
    """A fused optimiser unscales and skips inside its step: the hook fires, on scaled gradients."""
    optimizer = torch.optim.Adam(net.parameters(), fused=fused)
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    watched = Watched(net, optimizer)
    expected = scaled_step(net, optimizer, scaler, overflow=False)
    assert watched.signal.fired
    np.testing.assert_allclose(watched.collect()["gradient_norm"], expected, rtol=1e-5)
    before = net.looks.weight.detach().clone()
    scaled_step(net, optimizer, scaler, overflow=True)
    assert torch.equal(before, net.looks.weight)
    assert watched.signal.fired == fused
    values = watched.collect()
    assert np.isnan(values["gradient_norm"]).all()
    assert values.get("skipped", False) == fused  # without a call of its step the recorder knows that by itself
