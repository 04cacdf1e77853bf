import math
from contextlib import ExitStack

import numpy as np
import pytest
import torch
from flatline.diagnostics.readback import on_host
from flatline.diagnostics.recorder import Recorder
from flatline.diagnostics.signals import Batch, GradientNorms
from torch import nn

LETTERS = {"gru": "rzn", "cell": "rzn", "lstm": "ifgo", "projected": "ifgo", "lstm_cell": "ifgo"}


class Gated(nn.Module):
    """Every kind of gated layer one after the other, and two without gates."""

    def __init__(self) -> None:
        super().__init__()
        self.gru = nn.GRU(3, 4, num_layers=2, bidirectional=True, batch_first=True)
        self.lstm = nn.LSTM(8, 5, num_layers=2, bidirectional=True, batch_first=True)
        self.projected = nn.LSTM(10, 6, proj_size=2, batch_first=True)
        self.cell, self.lstm_cell = nn.GRUCell(2, 3), nn.LSTMCell(3, 2)
        self.plain, self.last = nn.RNN(2, 3, batch_first=True), nn.Linear(3, 1)

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        frames = self.projected(self.lstm(self.gru(clips)[0])[0])[0]
        state = self.lstm_cell(self.cell(frames.mean(dim=1)))[0]
        return self.last(self.plain(frames + state.unsqueeze(1))[0]).square().sum()


def by_rows(model: nn.Module) -> dict[str, float]:
    """Norm of each gate's rows of `.grad`, summed row by row in double precision."""
    expected = {}
    for name, parameter in model.named_parameters():
        letters = LETTERS.get(name.partition(".")[0], "")
        if not letters or "weight_hr" in name:
            continue
        size = len(parameter) // len(letters)
        for place, letter in enumerate(letters):
            rows = [parameter.grad[place * size + unit].double().flatten().tolist() for unit in range(size)]
            expected[f"{name}/{letter}"] = math.sqrt(sum(value**2 for row in rows for value in row))
    return expected


class Watched:
    def __init__(self, model: nn.Module, *optimizers: torch.optim.Optimizer) -> None:
        self.signal, self.stack = GradientNorms(), ExitStack()
        self.signal.attach(model, list(optimizers), self.stack)

    def collect(self) -> dict:
        return dict(self.signal.collect(Batch(0, None, None, None, None), on_host(self.signal.take())))

    def by_gate(self) -> dict[str, float]:
        gates = self.signal.description()["gates"]
        return dict(zip(gates, self.collect()["gate_gradient_norm"].tolist(), strict=True))


def test_each_gate_of_each_layer_and_direction_has_the_norm_of_its_rows():
    model = Gated()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    watched = Watched(model, optimizer)
    for _ in range(2):
        optimizer.zero_grad()
        model(torch.randn(4, 7, 3)).backward()
        expected = by_rows(model)
        optimizer.step()
        found = watched.by_gate()
        assert list(found) == list(expected)
        assert found == pytest.approx(expected, rel=1e-6)
    weights = [norm for name, norm in found.items() if name.startswith(("gru.weight", "lstm.weight"))]
    assert len(set(weights)) == len(weights) == 8 * 3 + 8 * 4  # so that none could stand in another's place
    some = {"gru.weight_hh_l0/z", "gru.weight_ih_l1_reverse/n", "lstm.bias_hh_l1/f", "lstm.weight_ih_l0_reverse/o"}
    assert some < found.keys()


def test_a_parameter_s_norm_is_that_of_its_gates_together():
    model = Gated()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    watched = Watched(model, optimizer)
    model(torch.randn(4, 7, 3)).backward()
    expected = [float(parameter.grad.double().norm()) for parameter in model.parameters()]
    optimizer.step()
    np.testing.assert_allclose(watched.collect()["gradient_norm"], expected, rtol=1e-6)


def test_a_gate_whose_rows_alone_have_a_gradient_is_the_only_one_that_is_not_zero():
    lstm = nn.LSTM(2, 3)
    optimizer = torch.optim.SGD(lstm.parameters(), lr=0.1)
    watched = Watched(lstm, optimizer)
    for parameter in lstm.parameters():
        parameter.grad = torch.zeros_like(parameter)
    lstm.weight_hh_l0.grad[3:6] = 2  # rows of f: 3 x 3 values
    optimizer.step()
    found = watched.by_gate()
    assert found.pop("weight_hh_l0/f") == pytest.approx(6)
    assert set(found.values()) == {0}


def test_gates_are_read_after_clipping_and_a_row_of_a_recorder_has_them(log):
    model = Gated()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with Recorder(model, optimizer, log=log, level="light") as recorder:
        loss = model(torch.randn(4, 7, 3))
        loss.backward()
        unclipped = by_rows(model)
        nn.utils.clip_grad_norm_(model.parameters(), 1e-2)
        expected = by_rows(model)
        optimizer.step()
        optimizer.zero_grad()
        recorder.step(loss=loss)
    found = dict(zip(log.info["gates"], log[0]["gate_gradient_norm"].tolist(), strict=True))
    assert found == pytest.approx(expected, rel=1e-6)
    assert found != pytest.approx(unclipped, rel=0.1)


def test_gates_of_several_optimisers_fill_one_row_and_those_of_none_are_nan():
    model = Gated()
    model.cell.requires_grad_(False)
    first = torch.optim.SGD(model.gru.parameters(), lr=0.1)
    second = torch.optim.SGD(model.lstm.parameters(), lr=0.1)
    watched = Watched(model, first, second)
    model(torch.randn(4, 7, 3)).backward()
    model.cell.requires_grad_(True)
    for parameter in model.cell.parameters():
        parameter.grad = torch.zeros_like(parameter)
    expected = by_rows(model)
    first.step()
    second.step()
    found = watched.by_gate()
    for name, norm in expected.items():
        held = name.startswith(("gru", "lstm."))
        assert found[name] == pytest.approx(norm if held else math.nan, rel=1e-6, nan_ok=True)


@pytest.mark.parametrize("first_goes_first", [True, False])
def test_the_learning_rate_is_the_first_optimiser_s_whichever_steps_first(net, first_goes_first):
    first = torch.optim.SGD([{"params": net.gru.parameters()}, {"params": net.looks.parameters(), "lr": 0.7}], lr=0.3)
    second = torch.optim.Adam(net.classification.parameters(), lr=0.1)
    watched = Watched(net, first, second)
    for rate in (0.3, 0.2, 0.05):
        first.param_groups[0]["lr"] = rate
        net(torch.randn(2, 5, 6)).square().mean().backward()
        for optimizer in (first, second) if first_goes_first else (second, first):
            optimizer.step()
        assert watched.collect()["learning_rate"] == pytest.approx(rate)


def test_the_learning_rate_is_the_one_of_the_step_and_not_of_the_schedule_s_next(net):
    optimizer = torch.optim.SGD(net.parameters(), lr=0.4)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, 1, gamma=0.5)
    watched = Watched(net, optimizer)
    found = []
    for _ in range(3):
        net(torch.randn(2, 5, 6)).square().mean().backward()
        optimizer.step()
        schedule.step()
        found.append(watched.collect()["learning_rate"])
    assert found == pytest.approx([0.4, 0.2, 0.1])
