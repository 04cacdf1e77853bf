"""What is seen of one pass, on nets as other people build them: right, or absent and told once."""

import copy
import warnings

import numpy as np
import pytest
import torch
from flatline.diagnostics.recorder import Recorder
from flatline.diagnostics.signals.rnn_pass import CLIPS, REPLAYED, begin, clips_of, hooked, is_plain
from flatline.diagnostics.signals.sampling import every
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence


def clips(n_clips=3, n_frames=6, **options):
    return torch.randn(n_clips, n_frames, 3, **options)


class Net(nn.Module):
    """(clip, frame, 3) -> (clip, 2), through an RNN of four units a direction."""

    def __init__(self, rnn):
        super().__init__()
        self.rnn = rnn
        self.head = nn.LazyLinear(2)

    def forward(self, given):
        return self.head(self.rnn(given)[0]).mean(1)


def gru(**options):
    return nn.GRU(3, 4, batch_first=True, **options)


def iterate(model, log, *batches, forward=None):
    """Rows of iterations, hidden gradients alone, and the messages that were told."""
    forward = forward or model
    forward(batches[0])  # lazy modules
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with Recorder(model, optimizer, log=log, level="hidden_gradients") as recorder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for batch in batches:
            loss = (3 * forward(batch)).sin().square().sum()
            if loss.requires_grad:
                loss.backward()
            optimizer.step()
            recorder.step(loss=loss)
    return [{name: row[name] for name in row if name.startswith("hidden_gradient")} for row in log], told(log)


def told(log):
    return [event["fault"] for event in log.events if event["kind"] == "signal-fault"]


def by_cells(rnn, head, given):
    """(frame,) norms of the states' gradients in a loop of one cell with the RNN's present weights."""
    cell = nn.GRUCell(rnn.input_size, rnn.hidden_size)
    with torch.no_grad():
        for name, parameter in cell.named_parameters():
            parameter.copy_(getattr(rnn, f"{name}_l0"))
    states, state = [], torch.zeros(len(given), rnn.hidden_size)
    for frame in given.unbind(1):
        state = cell(frame, state)
        state.retain_grad()
        states.append(state)
    (3 * head(torch.stack(states, 1)).mean(1)).sin().square().sum().backward()
    head.zero_grad()
    return [float(state.grad.norm()) for state in states]


class TestParametrised:
    """Weights that are made anew in each pass."""

    def test_a_weight_norm_counts_as_it_was_used(self, log):
        model, batch = Net(nn.utils.parametrizations.weight_norm(gru(), "weight_hh_l0")), clips()
        model(batch)
        with torch.no_grad():
            model.rnn.parametrizations.weight_hh_l0.original0.mul_(3)
        expected = by_cells(model.rnn, model.head, batch)
        rows, faults = iterate(model, log, batch)
        np.testing.assert_allclose(rows[0]["hidden_gradient.rnn"], expected, rtol=1e-5)
        assert faults == []

    def test_the_old_weight_norm_too(self, log):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model, batch = Net(nn.utils.weight_norm(gru(), "weight_hh_l0")), clips()
        model(batch)
        with torch.no_grad():
            model.rnn.weight_hh_l0_g.mul_(3)
        model(batch)
        expected = by_cells(model.rnn, model.head, batch)
        rows, _ = iterate(model, log, batch)
        np.testing.assert_allclose(rows[0]["hidden_gradient.rnn"], expected, rtol=1e-5)

    def test_a_weight_that_draws_or_counts_is_not_asked_again(self, log):
        class Counting(nn.Module):
            n_calls = 0

            def forward(self, weight):
                Counting.n_calls += 1
                return nn.functional.dropout(weight, 0.5)

        rnn, batch = gru(), clips()
        nn.utils.parametrize.register_parametrization(rnn, "weight_hh_l0", Counting())
        model = Net(rnn)
        model(batch)
        Counting.n_calls = 0
        model(batch)
        of_a_pass = Counting.n_calls
        Counting.n_calls = 0
        rows, _ = iterate(model, log, batch)
        assert "hidden_gradient.rnn" in rows[0]
        assert Counting.n_calls == 2 * of_a_pass  # `iterate` passes twice

    def test_functional_weights_count_as_they_were_used(self, log):
        model, batch = Net(gru()), clips()
        model(batch)
        other = copy.deepcopy(model)
        with torch.no_grad():
            for parameter in other.rnn.parameters():
                parameter.mul_(2)
        expected = by_cells(other.rnn, other.head, batch)
        weights = {name: value.detach().clone() for name, value in other.named_parameters()}
        weights = {name: value.requires_grad_() for name, value in weights.items()}
        called = lambda given: torch.func.functional_call(model, weights, given)  # noqa: E731 - as a model
        rows, faults = iterate(model, log, batch, forward=called)
        np.testing.assert_allclose(rows[0]["hidden_gradient.rnn"], expected, rtol=1e-5)
        assert faults == []


class TestOtherForwardPasses:
    def test_a_subclass_with_the_same_pass_is_recorded(self, log):
        class Mine(nn.GRU):
            pass

        model, batch = Net(Mine(3, 4, batch_first=True)), clips()
        model(batch)
        expected = by_cells(model.rnn, model.head, batch)
        rows, _ = iterate(model, log, batch)
        np.testing.assert_allclose(rows[0]["hidden_gradient.rnn"], expected, rtol=1e-5)

    def test_one_with_a_pass_of_its_own_is_absent_and_told_once_and_the_others_stay(self, log):
        class Mine(nn.GRU):
            def forward(self, given):
                return super().forward(given.flip(1) * 2)

        model = Net(nn.Sequential(gru()))
        model.rnn = nn.GRU(3, 4, batch_first=True)
        model.own = Mine(3, 3, batch_first=True)
        rows, faults = iterate(model, log, clips(), clips(), forward=lambda given: model(model.own(given)[0]))
        assert [set(row) for row in rows] == [
            {"hidden_gradient.rnn", "hidden_gradient_direct.rnn"},
            {"hidden_gradient_direct.rnn"},
        ]
        assert len(faults) == 1
        assert "'own' has a forward pass of its own (Recorder)" in faults[0]
        assert "keep the nn.RNN, nn.GRU or nn.LSTM" in faults[0]

    def test_a_patched_pass_is_not_pytorchs(self):
        rnn = gru()
        assert is_plain(rnn)
        rnn.forward = lambda given: (given, given)
        assert not is_plain(rnn)


class TestNothingToSee:
    def test_a_frozen_rnn_without_gradient_is_absent(self, log):
        model = Net(gru())
        model.rnn.requires_grad_(False)
        assert iterate(model, log, clips()) == ([{}], [])

    def test_a_frozen_rnn_that_gradients_pass_through_is_seen(self, log):
        model = Net(gru())
        model.rnn.requires_grad_(False)
        rows, _ = iterate(model, log, clips(requires_grad=True))
        assert (rows[0]["hidden_gradient.rnn"] > 0).all()

    def test_an_rnn_whose_output_is_not_used_is_absent(self, log):
        model = Net(gru())
        model.other = gru()

        def forward(given):
            model.other(given)
            return model(given)

        rows, faults = iterate(model, log, clips(), forward=forward)
        assert rows[0].keys() == {"hidden_gradient.rnn", "hidden_gradient_direct.rnn"}
        assert faults == []

    def test_one_that_is_not_called_is_absent(self, log):
        model = Net(gru())
        model.other = gru()
        rows, _ = iterate(model, log, clips())
        assert not any("other" in name for name in rows[0])

    def test_an_empty_batch_is_absent_and_not_zero(self, log):
        assert iterate(Net(gru()), log, clips(0)) == ([{}], [])

    @pytest.mark.parametrize("batch_first", [True, False])
    def test_an_lstm_whose_last_state_alone_is_used_is_seen(self, log, batch_first):
        """Its node runs its output's hook without a gradient then."""
        model = Net(nn.LSTM(3, 4, 3, batch_first=batch_first))
        rows, faults = iterate(model, log, clips(), forward=lambda given: model.head(model.rnn(given)[1][0][-1]))
        assert faults == []
        assert (rows[0]["hidden_gradient.rnn"] > 0).all()
        assert not rows[0]["hidden_gradient_direct.rnn"][:-1].any()

    def test_only_the_cell_state_used_gives_a_total(self, log):
        model = Net(nn.LSTM(3, 4, batch_first=True))
        rows, _ = iterate(model, log, clips(), forward=lambda given: model.head(model.rnn(given)[1][1][-1]))
        total = rows[0]["hidden_gradient.rnn"]
        assert (total[:-1] > 0).all()
        assert total[-1] == 0  # no state comes after it


def test_a_model_that_is_an_rnn_itself_is_called_rnn(log):
    model = gru()
    rows, _ = iterate(model, log, clips(), forward=lambda given: model(given)[0])
    assert rows[0].keys() == {"hidden_gradient.rnn", "hidden_gradient_direct.rnn"}


def telling_its_masks():
    """A two-layer RNN whose output is the mask that was drawn between its layers."""
    rnn = nn.RNN(3, 4, 2, nonlinearity="relu", batch_first=True, dropout=0.5)
    with torch.no_grad():
        for parameter in rnn.parameters():
            parameter.zero_()
        rnn.bias_ih_l0.fill_(1)
        rnn.weight_ih_l1.copy_(torch.eye(4))
    return rnn


@pytest.mark.parametrize("input_dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("autocast", [False, True])
def test_dropout_masks_are_those_that_were_drawn_in_any_precision(autocast, input_dtype):
    rnn = telling_its_masks()
    rnn = rnn if autocast else rnn.to(input_dtype)
    given, random_state = clips(9, dtype=input_dtype), torch.get_rng_state()
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        output = rnn(given)[0]
    seen = begin(rnn, given)
    seen.keep_call(given, None, random_state)
    assert torch.equal(seen.masks[0].float(), output[::3].float())
    assert set(output.unique().tolist()) == {0, 2}


class TestPieces:
    def test_long_clips_are_replayed_fewer_at_a_time_and_at_least_one(self):
        rnn = nn.GRU(3, 512, num_layers=2, bidirectional=True)
        per_frame = 512 * 2 * 2
        assert clips_of(rnn, 10) == CLIPS
        assert clips_of(rnn, REPLAYED // per_frame // 2) == 2
        assert clips_of(rnn, REPLAYED) == 1

    def test_evenly_spaced_ones_are_at_most_as_many_as_asked(self):
        for count in range(40):
            assert len(range(count)[every(count, 4)]) == min(count, len(range(0, count, -(-count // 4) or 1))) <= 4

    def test_the_packed_data_are_not_kept(self):
        packed = pack_padded_sequence(clips(), torch.tensor([2, 6, 1]), batch_first=True, enforce_sorted=False)
        seen = begin(gru(), packed)
        assert seen.packed is not None
        assert seen.packed.data.device.type == "meta"
        assert seen.lengths is not None
        assert seen.lengths.tolist() == [6, 2, 1]
        assert seen.n_frames == 6

    def test_a_views_gradient_is_read_at_its_base_even_after_a_change_in_place(self):
        base = (torch.randn(4, 5) * torch.ones(1, requires_grad=True)).clone()
        view, seen = base[1:3].t()[1:], []
        handle = hooked(view, seen.append, lambda keep: keep)
        view.mul_(3).pow(2).sum().backward()
        assert torch.allclose(seen[0], 6 * view.detach())
        handle.remove()
        assert not base._backward_hooks
