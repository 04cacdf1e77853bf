"""Saturation and spread against numpy by hand."""

import copy
import gc
import pickle
import weakref
from contextlib import ExitStack

import numpy as np
import pytest
import torch
from flatline.diagnostics.recorder import Recorder
from flatline.diagnostics.signals import RecurrentStates
from flatline.diagnostics.signals.recurrent import CLIPS, FRAMES
from torch import nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence
from torch.utils.checkpoint import checkpoint

KINDS = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}
CELLS = {"rnn": nn.RNNCell, "gru": nn.GRUCell, "lstm": nn.LSTMCell}
NAMES = ("saturation.rnn", "hidden_spread.rnn")


class Net(nn.Module):
    def __init__(self, rnn):
        super().__init__()
        self.rnn = rnn

    def forward(self, *given):
        return self.rnn(*given)


def strong(rnn):
    """Weights with which a good part of the states is saturated."""
    with torch.no_grad():
        for parameter in rnn.parameters():
            parameter.mul_(4)
    return rnn


def clips_of(n_clips=5, n_frames=9):
    return torch.randn(n_clips, n_frames, 3)


def by_hand(states, real=None):
    """Saturation and spread of (clip, frame, unit), frame by frame."""
    states = states.detach().double().numpy()
    real = np.ones(states.shape[:2], bool) if real is None else np.asarray(real)
    spreads = [states[real[:, t], t].std(0) for t in range(states.shape[1]) if real[:, t].sum() > 1]
    return np.mean(np.abs(states[real]) > 0.9), np.mean(spreads) if spreads else np.nan


class Recording:
    """A model whose every pass is a recorded iteration."""

    def __init__(self, model, log):
        self.model, self.log = model, log
        self.optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
        self.recorder = Recorder(model, self.optimizer, log=log, level="recurrent")

    def step(self, mask=None):
        self.optimizer.step()
        self.recorder.step(loss=0.0, mask=mask)
        return self.of_last_row()

    def of_last_row(self):
        row = self.log[-1]
        return {name: row[name] for name in row if name.startswith(("saturation", "hidden_spread"))}

    def __call__(self, *given, mask=None):
        output = self.model(*given)
        row = self.step(mask)
        return (output[0] if isinstance(output, tuple) else output), tuple(row.get(name) for name in NAMES)


@pytest.fixture
def recording(log):
    with ExitStack() as stack:

        def make(rnn):
            made = Recording(Net(rnn), log)
            stack.callback(made.recorder.close)
            return made

        yield make


def test_the_references_weights_saturate_a_part_of_the_states(recording):
    for kind in KINDS.values():
        _, (saturation, _) = recording(strong(kind(3, 4)))(clips_of())
        assert 0.02 < saturation < 0.98


@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_all_states_of_the_last_layer_both_ways_count(recording, kind, batch_first):
    at = recording(strong(KINDS[kind](3, 4, 2, bidirectional=True, batch_first=batch_first)))
    states, got = at(clips_of())
    assert got == pytest.approx(by_hand(states if batch_first else states.transpose(0, 1)), rel=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_padding_that_a_mask_tells_is_left_out(recording, kind):
    at, mask = recording(strong(KINDS[kind](3, 4, batch_first=True))), torch.rand(5, 9) < 0.6
    mask[:, 4] = False
    states, got = at(clips_of(), mask=mask)
    assert got == pytest.approx(by_hand(states, mask), rel=1e-5)
    assert got != pytest.approx(by_hand(states), rel=1e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_padding_of_packed_sequences_is_left_out(recording, kind):
    at, lengths = recording(strong(KINDS[kind](3, 4, bidirectional=True))), torch.tensor([3, 9, 1, 7, 7])
    packed = pack_padded_sequence(clips_of(), lengths, batch_first=True, enforce_sorted=False)
    output, got = at(packed)
    assert isinstance(output, PackedSequence)
    real = torch.arange(9) < lengths.unsqueeze(1)
    assert got == pytest.approx(by_hand(pad_packed_sequence(output, batch_first=True)[0], real), rel=1e-5)


def test_packed_ones_have_their_own_padding_whatever_the_mask(recording):
    at, lengths = recording(strong(nn.GRU(3, 4, batch_first=True))), torch.tensor([9, 5, 2, 2, 1])
    packed = pack_padded_sequence(clips_of(), lengths, batch_first=True)
    _, got = at(packed)
    _, masked = at(packed, mask=torch.rand(5, 9) < 0.5)
    assert got == masked


@pytest.mark.parametrize("shape", [(5, 8), (5, 10), (4, 9), (6, 9)])
def test_a_mask_of_other_frames_or_clips_is_not_taken_for_this_ones(recording, shape):
    at = recording(strong(nn.GRU(3, 4, batch_first=True)))
    states, got = at(clips_of(), mask=torch.zeros(shape, dtype=torch.bool))
    assert got == pytest.approx(by_hand(states), rel=1e-5)


@pytest.mark.parametrize(("n_clips", "n_frames"), [(66, 100), (65, 33), (200, 17), (3, 400)])
def test_of_many_frames_and_clips_evenly_spaced_ones_count(recording, n_clips, n_frames):
    at, mask = recording(strong(nn.GRU(3, 4, batch_first=True))), torch.rand(n_clips, n_frames) < 0.7
    every_clip, every = -(-n_clips // CLIPS), -(-n_frames // FRAMES)
    taken = (slice(None, None, every_clip), slice(every // 2, None, every))
    states, got = at(clips_of(n_clips, n_frames))
    assert got == pytest.approx(by_hand(states[taken]), rel=1e-4)
    assert got == pytest.approx(by_hand(states), rel=0.25)
    states, got = at(clips_of(n_clips, n_frames), mask=mask)
    assert got == pytest.approx(by_hand(states[taken], mask[taken]), rel=1e-4)


def test_a_mask_one_frame_longer_is_not_used_though_as_many_frames_of_it_would_be_looked_at(recording):
    at = recording(strong(nn.GRU(3, 4, batch_first=True)))
    states, got = at(clips_of(5, 100), mask=torch.zeros(5, 101, dtype=torch.bool))
    assert got == pytest.approx(by_hand(states[:, 3::7]), rel=1e-4)


class TestCells:
    @pytest.mark.parametrize("kind", CELLS)
    def test_the_states_of_their_calls_count(self, recording, kind):
        at = recording(strong(CELLS[kind](3, 4)))
        for _ in range(2):
            kept, state = [], None
            for frame in clips_of(5, 12).unbind(1):
                state = at.model(frame, state)
                kept.append(state[0] if isinstance(state, tuple) else state)
            assert tuple(at.step().values()) == pytest.approx(by_hand(torch.stack(kept, 1)), rel=1e-5)

    def test_once_their_number_is_known_evenly_spaced_calls_count(self, recording):
        at = recording(strong(nn.GRUCell(3, 4)))
        for step in (1, 3):
            states, state = [], None
            for frame in clips_of(5, 40).unbind(1):
                state = at.model(frame, state)
                states.append(state)
            assert tuple(at.step().values()) == pytest.approx(by_hand(torch.stack(states, 1)[:, ::step]), rel=1e-5)

    def test_unbatched_ones_are_of_one_clip(self, recording):
        at = recording(strong(nn.GRUCell(3, 4)))
        states = [at.model(frame) for frame in clips_of(1, 7)[0]]
        saturation, spread = at.step().values()
        assert saturation == pytest.approx(by_hand(torch.stack(states).unsqueeze(0))[0])
        assert np.isnan(spread)

    def test_a_state_modified_in_place_counts_as_the_cell_gave_it(self, recording):
        at = recording(strong(nn.GRUCell(3, 4)))
        state = at.model(clips_of()[:, 0])
        expected = by_hand(state.clone().unsqueeze(1))
        with torch.no_grad():
            state.zero_()
        assert tuple(at.step().values()) == pytest.approx(expected, rel=1e-5)

    def test_a_batch_that_shrinks_counts_with_its_first_clips_calls(self, recording):
        at = recording(strong(nn.GRUCell(3, 4)))
        states = [at.model(frame) for frame in (clips_of()[:, 0], clips_of()[:, 1], clips_of(3)[:, 0])]
        assert tuple(at.step().values()) == pytest.approx(by_hand(torch.stack(states[:2], 1)), rel=1e-5)


class TestNotMeasurable:
    def test_one_clip_has_no_spread(self, recording):
        at = recording(strong(nn.GRU(3, 4, batch_first=True)))
        for given in (clips_of(1), clips_of(1)[0], pack_padded_sequence(clips_of(1), [9], batch_first=True)):
            _, (saturation, spread) = at(given)
            assert 0 < saturation < 1
            assert np.isnan(spread)

    def test_frames_in_which_one_clip_is_real_have_none(self, recording):
        at, mask = recording(strong(nn.GRU(3, 4, batch_first=True))), torch.zeros(5, 9, dtype=torch.bool)
        mask[2] = True
        _, (saturation, spread) = at(clips_of(), mask=mask)
        assert 0 < saturation < 1
        assert np.isnan(spread)

    @pytest.mark.parametrize(
        "rnn",
        [
            lambda: nn.RNN(3, 4, nonlinearity="relu"),
            lambda: nn.LSTM(3, 4, proj_size=2),
            lambda: nn.RNNCell(3, 4, nonlinearity="relu"),
        ],
    )
    def test_states_without_a_bound_have_no_saturation(self, recording, rnn):
        _, (saturation, spread) = recording(rnn())(clips_of() if isinstance(rnn(), nn.RNNBase) else clips_of()[:, 0])
        assert np.isnan(saturation)
        assert spread > 0

    @pytest.mark.parametrize("bad", [torch.nan, torch.inf])
    @pytest.mark.parametrize("masked", [False, True])
    def test_a_state_that_is_not_finite_makes_both_unknown(self, recording, bad, masked):
        at, given = recording(nn.RNN(3, 4, nonlinearity="relu", batch_first=True)), clips_of()
        given[1, 3] = bad
        mask = torch.ones(5, 9, dtype=torch.bool) if masked else None
        assert np.isnan(at(given, mask=mask)[1]).all()

    def test_padding_that_is_no_number_does_not_matter(self, recording):
        at, given, mask = recording(strong(nn.GRU(3, 4, batch_first=True))), clips_of(), torch.ones(5, 9) > 0
        given[1, 3:] = torch.nan
        mask[1, 3:] = False
        states, got = at(given, mask=mask)
        assert got == pytest.approx(by_hand(states, mask), rel=1e-5)

    def test_an_empty_batch_and_an_all_padded_one_are_unknown(self, recording):
        at = recording(nn.GRU(3, 4, batch_first=True))
        assert np.isnan(at(clips_of(0))[1]).all()
        assert np.isnan(at(clips_of(), mask=torch.zeros(5, 9, dtype=torch.bool))[1]).all()

    @pytest.mark.parametrize("way", ["eval", "no_grad", "none"])
    def test_a_pass_that_is_not_learnt_from_leaves_both_out(self, recording, way):
        at = recording(nn.GRU(3, 4))
        with torch.set_grad_enabled(way != "no_grad"):
            if way != "none":
                at.model.train(way != "eval")(clips_of())
        assert at.step() == {}


def test_the_newest_training_pass_counts(recording):
    at = recording(strong(nn.GRU(3, 4, batch_first=True)))
    at.model(clips_of(7))
    states = at.model(clips_of())[0]
    with torch.no_grad():
        at.model(clips_of())
    assert tuple(at.step().values()) == pytest.approx(by_hand(states), rel=1e-5)


def test_of_accumulated_batches_the_newest_counts_with_its_own_mask(recording):
    at = recording(strong(nn.GRU(3, 4, batch_first=True)))
    at.model(clips_of(7))
    at.recorder.step(loss=0.0, mask=torch.ones(7, 9, dtype=torch.bool))
    states, mask = at.model(clips_of())[0], torch.rand(5, 9) < 0.5
    assert tuple(at.step(mask).values()) == pytest.approx(by_hand(states, mask), rel=1e-5)


@pytest.mark.parametrize("use_reentrant", [True, False])
@pytest.mark.parametrize("is_cell", [True, False])
def test_activation_checkpointing_changes_nothing(recording, use_reentrant, is_cell):
    at = recording(strong(nn.GRUCell(3, 4) if is_cell else nn.GRU(3, 4, batch_first=True)))
    given = (clips_of()[:, 0] if is_cell else clips_of()).requires_grad_()
    states = checkpoint(at.model, given, use_reentrant=use_reentrant)
    states = states if is_cell else states[0]
    states.sum().backward()
    expected = by_hand(states.unsqueeze(1) if is_cell else states)
    assert tuple(at.step().values()) == pytest.approx(expected, rel=1e-5)


def test_double_and_half_precision_count_as_their_values_are(recording):
    at = recording(strong(nn.GRU(3, 4, batch_first=True)).double())
    states, got = at(clips_of().double())
    assert got == pytest.approx(by_hand(states), rel=1e-5)
    with torch.autocast("cpu", torch.bfloat16):
        states, got = recording(strong(nn.LSTM(3, 4, batch_first=True)))(clips_of())
    assert states.dtype == torch.bfloat16
    assert got == pytest.approx(by_hand(states.float()), rel=1e-4)


def test_a_subclass_that_returns_its_output_alone_counts_too(recording):
    class Mine(nn.GRU):
        def forward(self, given):
            return super().forward(given)[0]

    states, got = recording(strong(Mine(3, 4, batch_first=True)))(clips_of())
    assert got == pytest.approx(by_hand(states), rel=1e-5)


def test_what_a_hook_cannot_read_is_told_once_and_the_other_rnns_stay(recording, log):
    class Mine(nn.GRU):
        def forward(self, given):
            super().forward(given)
            return {"states": given}

    at = recording(nn.GRU(3, 4, batch_first=True))
    at.recorder.close()
    at.model.odd = Mine(3, 4)
    at = Recording(at.model, log)
    at.model.odd(clips_of())
    with pytest.warns(UserWarning, match="RecurrentStates could not be recorded at iteration 0"):
        assert at(clips_of())[1][1] > 0
    at.model.odd(clips_of())
    assert at(clips_of())[1][1] > 0
    assert [event["kind"] for event in log.events] == ["signal-fault"]
    at.recorder.close()


class TestAfterwards:
    def test_no_hook_and_no_state_is_left(self, recording, hooks_on):
        at = recording(nn.GRU(3, 4, batch_first=True))
        output = at.model(clips_of())[0]
        alive = weakref.ref(output)
        at.recorder.close()
        assert hooks_on(at.model, at.optimizer) == 0
        assert not output._backward_hooks
        del output
        gc.collect()
        assert alive() is None

    @pytest.mark.parametrize("copied", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
    def test_a_copy_of_the_model_runs_unrecorded(self, recording, copied):
        at = recording(nn.GRU(3, 4, batch_first=True))
        states = at.model(clips_of())[0]
        copied(at.model)(clips_of(50, 3))
        assert tuple(at.step().values()) == pytest.approx(by_hand(states), rel=1e-5)

    def test_outputs_modes_and_the_random_state_are_the_same(self, recording):
        at, given = recording(nn.GRU(3, 4, 2, dropout=0.5)), clips_of()
        torch.manual_seed(1)
        recorded, after = at.model(given)[0], torch.get_rng_state()
        at.step()
        at.recorder.close()
        torch.manual_seed(1)
        assert torch.equal(at.model(given)[0], recorded)
        assert torch.equal(torch.get_rng_state(), after)
        assert at.model.training


@pytest.mark.parametrize("kind", ["plain", "masked", "packed"])
def test_nothing_waits_for_the_device(no_reading, kind):
    signal, given, mask = RecurrentStates(), clips_of(), None
    if kind == "packed":
        given = pack_padded_sequence(given, [9, 5, 5, 2, 1], batch_first=True)
    if kind == "masked":
        mask = torch.rand(5, 9) < 0.5
    model = Net(nn.GRU(3, 4, batch_first=True))

    with ExitStack() as stack:
        signal.attach(model, [], stack)
        with no_reading():
            model(given)
            signal.see(mask)
            taken = signal.take()
    assert taken["rnn"].isfinite().all()
