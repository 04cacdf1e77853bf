import numpy as np
import pytest
import torch
from flatline.diagnostics.gates import Pieces, gates_of
from torch import nn


class Mixed(nn.Module):
    """Gated layers of every kind between others."""

    def __init__(self):
        super().__init__()
        self.first = nn.Linear(3, 3)
        self.gru = nn.GRU(3, 4, bidirectional=True)
        self.plain = nn.RNN(8, 4)
        self.cell = nn.LSTMCell(4, 2)
        self.lstm = nn.LSTM(2, 6, proj_size=5)
        self.last = nn.Linear(5, 2)


def norms_of(pieces, places):
    """As a signal would: of each piece of the parameters at some places."""
    return np.array(
        [float(part.norm()) for place in places for part in pieces.of(place, pieces.parameters[place].detach())],
        dtype=np.float32,
    )


def by_hand(model):
    """Norms by parameter and by gate, cut by PyTorch's documented row order."""
    gates = {nn.GRU: "rzn", nn.LSTMCell: "ifgo", nn.LSTM: "ifgo"}
    owners = dict(model.named_modules())
    parameters, cut = {}, {}
    for name, parameter in model.named_parameters():
        parameters[name] = float(parameter.detach().norm())
        path, _, leaf = name.rpartition(".")
        letters = gates.get(type(owners[path]), "") if not leaf.startswith("weight_hr") else ""
        for number, letter in enumerate(letters):
            rows = len(parameter) // len(letters)
            cut[f"{name}/{letter}"] = float(parameter.detach()[number * rows : (number + 1) * rows].norm())
    return parameters, cut


def test_gates_are_those_of_pytorch_s_order_by_kind():
    assert gates_of(nn.GRUCell(2, 3)) == ("r", "z", "n")
    assert gates_of(nn.LSTMCell(2, 3)) == ("i", "f", "g", "o")
    assert gates_of(nn.RNNCell(2, 3)) == gates_of(nn.Linear(2, 3)) == ()


def test_norms_by_parameter_and_by_gate_are_those_by_hand():
    pieces = Pieces(model := Mixed())
    parameters, gates = by_hand(model)
    assert pieces.names == list(parameters)
    assert pieces.gates == list(gates)
    everything = range(len(pieces.names))
    of_parameters, of_gates = pieces.joined(everything, norms_of(pieces, everything))
    np.testing.assert_allclose(of_parameters, list(parameters.values()), rtol=1e-6)
    np.testing.assert_allclose(of_gates, list(gates.values()), rtol=1e-6)


@pytest.mark.parametrize("places", [(), (0,), (3, 1), (12, 2, 19)])
def test_what_is_not_given_is_nan(places):
    pieces = Pieces(model := Mixed())
    parameters, gates = by_hand(model)
    of_parameters, of_gates = pieces.joined(places, norms_of(pieces, places))
    given = {pieces.names[place] for place in places}
    for name, norm in zip(pieces.names, of_parameters, strict=True):
        np.testing.assert_allclose(norm, parameters[name] if name in given else np.nan, rtol=1e-6)
    for name, norm in zip(pieces.gates, of_gates, strict=True):
        np.testing.assert_allclose(norm, gates[name] if name.partition("/")[0] in given else np.nan, rtol=1e-6)


def test_a_gate_that_is_not_finite_makes_its_parameter_so_and_no_other():
    pieces = Pieces(model := nn.GRU(2, 3))
    with torch.no_grad():
        model.weight_hh_l0[4, 0] = torch.nan
    of_parameters, of_gates = pieces.joined(range(4), norms_of(pieces, range(4)))
    assert np.isnan(of_parameters).tolist() == [False, True, False, False]
    assert [name for name, norm in zip(pieces.gates, of_gates, strict=True) if np.isnan(norm)] == ["weight_hh_l0/z"]


def test_replaced_parameters_are_found_wherever_they_stood():
    pieces = Pieces(model := Mixed())
    assert pieces.replaced() == []
    model.double()
    assert pieces.replaced() == []
    model.cell = nn.LSTMCell(4, 2)
    model.first.bias = nn.Parameter(torch.zeros(3))
    del model.last
    gone = {pieces.names[place] for place in pieces.replaced()}
    assert gone == {name for name in pieces.names if name.startswith(("cell.", "last.")) or name == "first.bias"}


def test_norms_of_replaced_parameters_are_left_out_with_their_gates():
    pieces = Pieces(nn.GRU(2, 3))
    of_parameters, of_gates = np.ones(4), np.ones(12)
    pieces.leave_out([], of_parameters, of_gates)
    assert not np.isnan(of_parameters).any()
    pieces.leave_out([1], of_parameters, of_gates)
    assert np.isnan(of_parameters).tolist() == [False, True, False, False]
    assert np.isnan(of_gates).tolist() == [False] * 3 + [True] * 3 + [False] * 6


def test_a_network_without_gates_or_parameters_has_none():
    assert Pieces(nn.Linear(2, 2)).gates == []
    assert Pieces(nn.Module()).names == []
