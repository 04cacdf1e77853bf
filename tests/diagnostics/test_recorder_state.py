"""A recorder that goes on from another's state writes the rows that the other would have written."""

import copy
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from flatline.diagnostics.cadence import Cadence
from flatline.diagnostics.recorder import Recorder
from flatline.diagnostics.signals import ClassScores, WeightUpdates, weights
from flatline.diagnostics.signals.classes import WINDOW
from flatline.diagnostics.targets import RunningPrior


def batches(n):
    for _ in range(n):
        target = (torch.rand(8, 4) < 0.3).float()
        target[torch.arange(8), torch.arange(8) % 4] = 1
        yield SimpleNamespace(clips=torch.randn(8, 10, 6), target=target)


def saved(state, path):
    """As a checkpoint takes it and gives it back."""
    torch.save(state, path)
    return torch.load(path, weights_only=True)


def train(net, optimizer, given, train_step, state=None):
    """Rows and maps of a loop over the batches, and the state it ends with."""
    rows = []
    log = SimpleNamespace(append=rows.append, maps=[])
    log.append_maps = lambda iteration, maps, clip=None: log.maps.append((iteration, maps))
    with Recorder(net, optimizer, log=log, loss="bce-with-logits", level="deep") as recorder:
        if state is not None:
            recorder.load_state(state)
        for batch in given:
            train_step(net, optimizer, batch, recorder)
        return rows, log.maps, recorder.state()


def unlike(one, other):
    clocked = lambda name: name == "wall_time" or name.startswith("hidden_gradient.")  # noqa: E731
    names = [name for name in dict.fromkeys([*one, *other]) if not clocked(name)]
    return [name for name in names if not np.array_equal(one.get(name), other.get(name), equal_nan=True)]


@pytest.mark.parametrize("first", [0, 1, 7, WINDOW + 3])
def test_rows_after_a_change_of_recorders_are_those_of_a_single_one(net, train_step, tmp_path, first):
    given = list(batches(first + 5))
    optimizer = torch.optim.Adam(net.parameters())
    twin = copy.deepcopy(net)
    whole, _, _ = train(twin, torch.optim.Adam(twin.parameters()), given, train_step)
    before, _, state = train(net, optimizer, given[:first], train_step)
    after, maps, last = train(net, optimizer, given[first:], train_step, saved(state, tmp_path / "state.pt"))
    assert [row["iteration"] for row in before + after] == list(range(first + 5))
    assert [unlike(*rows) for rows in zip(whole, before + after, strict=True)] == [[]] * len(whole)
    assert len(maps) == 5
    assert last["iteration"] == first + 5


@pytest.mark.parametrize("subject", ["classes", "attention"])
def test_without_a_signals_state_its_rows_are_others(net, train_step, subject):
    """So that the test above can fail."""
    given = list(batches(6))
    optimizer = torch.optim.Adam(net.parameters())
    twin = copy.deepcopy(net)
    whole, _, _ = train(twin, torch.optim.Adam(twin.parameters()), given, train_step)
    _, _, state = train(net, optimizer, given[:3], train_step)
    state["signals"].pop(subject)
    after, _, _ = train(net, optimizer, given[3:], train_step, state)
    expected = {"classes": ["running_lwlrap"], "attention": ["attention_drift"]}[subject]
    assert unlike(whole[3], after[0]) == expected


def test_a_prior_counts_on_and_the_newest_rows_numbers_are_known_at_once(net, batch, train_step, log):
    optimizer = torch.optim.Adam(net.parameters())
    with Recorder(net, optimizer, log=log, loss="bce-with-logits") as recorder:
        train_step(net, optimizer, batch, recorder)
        recorder.epoch = 3
        state = recorder.state()
    with Recorder(net, optimizer, log=log, loss="bce-with-logits") as again:
        again.load_state(state)
        assert (again.iteration, again.epoch) == (1, 3)
        assert (again.last_loss, again.last_gradient_norm) == (recorder.last_loss, recorder.last_gradient_norm)
        np.testing.assert_array_equal(again.prior.value, recorder.prior.value)


def test_a_prior_that_counted_nothing_comes_back_too():
    prior = RunningPrior()
    prior.load_state(RunningPrior().state())
    assert prior.value is None
    prior.see(np.array([[True, False]]))
    assert prior.value.tolist() == [1, 0]


def test_the_state_is_a_copy_that_later_iterations_do_not_change(net, batch, train_step, log):
    optimizer = torch.optim.Adam(net.parameters())
    with Recorder(net, optimizer, log=log, loss="bce-with-logits") as recorder:
        train_step(net, optimizer, batch, recorder)
        known = copy.deepcopy(state := recorder.state())
        train_step(net, optimizer, batch, recorder)
    assert str(state) == str(known)


def test_a_cadence_goes_on_with_what_is_spent_and_leaves_out_the_time_between():
    now = [0.0]
    cadence = Cadence(0.01, lambda: now[0])
    assert cadence.is_due()
    cadence.spend(1.0)
    now[0] = 150.0
    later = [9000.0]
    again = Cadence(0.01, lambda: later[0])
    again.load_state(cadence.state())
    assert not again.is_due()
    later[0] += 49
    assert not again.is_due()
    later[0] += 1
    assert again.is_due()


def test_parameters_of_a_large_network_keep_their_turn(monkeypatch, net, train_step):
    monkeypatch.setattr(weights, "COPIED", 1)
    given = list(batches(5))
    optimizer = torch.optim.Adam(net.parameters())
    twin = copy.deepcopy(net)
    whole, _, _ = train(twin, torch.optim.Adam(twin.parameters()), given, train_step)
    _, _, state = train(net, optimizer, given[:2], train_step)
    assert state["signals"][WeightUpdates.subject] == {"turns": [2]}
    after, _, _ = train(net, optimizer, given[2:], train_step, state)
    np.testing.assert_array_equal(whole[2]["update_ratio"], after[0]["update_ratio"])


class Cells(torch.nn.Module):
    """Forty calls of a cell: more than are looked at, so that which ones hangs on the iteration before."""

    def __init__(self):
        super().__init__()
        self.cell, self.head = torch.nn.GRUCell(6, 5), torch.nn.Linear(5, 4)

    def forward(self, clips):
        state = None
        for frame in range(40):
            state = self.cell(clips[:, frame % 10], state)
        return self.head(state)


def test_of_a_cells_calls_the_same_are_looked_at(train_step):
    net, given = Cells(), list(batches(3))
    optimizer = torch.optim.Adam(net.parameters())
    twin = copy.deepcopy(net)
    whole, _, _ = train(twin, torch.optim.Adam(twin.parameters()), given, train_step)
    _, _, state = train(net, optimizer, given[:2], train_step)
    assert state["signals"]["recurrent"]["cell"] == 3
    after, _, _ = train(net, optimizer, given[2:], train_step, state)
    assert unlike(whole[2], after[0]) == []


def test_a_state_without_a_subject_leaves_that_signal_as_it_is():
    signal = ClassScores()
    signal.load_state({})
    assert signal.state() == {}
