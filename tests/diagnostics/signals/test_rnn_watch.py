"""Which passes of a recurrent module count, in the loops that people write."""

import copy
import shutil
import threading

import numpy as np
import pytest
import torch
from flatline.diagnostics.recorder import Recorder
from flatline.diagnostics.signals import Batch, HiddenGradients
from flatline.diagnostics.signals.rnn_watch import BINS, RnnWatch, binned
from torch import nn
from torch.utils.checkpoint import checkpoint

KINDS = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}
CELLS = {"rnn": nn.RNNCell, "gru": nn.GRUCell, "lstm": nn.LSTMCell}


class Tagger(nn.Module):
    """(clip, frame, 3) -> (clip, 2), through an RNN of four units."""

    def __init__(self, rnn=None):
        super().__init__()
        self.rnn = rnn or nn.GRU(3, 4, batch_first=True)
        self.head = nn.Linear(4, 2)

    def forward(self, clips):
        return self.head(self.rnn(clips)[0]).mean(1)


class Loop(nn.Module):
    """A recurrent cell called once a frame; the states of the newest pass keep their gradients."""

    def __init__(self, kind, **options):
        super().__init__()
        self.cell = CELLS[kind](3, 4, **options)
        self.head = nn.Linear(4, 2)
        self.states = []

    def run(self, clips):
        states, state = [], None
        for frame in clips.unbind(-2):
            state = self.cell(frame, state)
            states.append(state[0] if isinstance(state, tuple) else state)
        return torch.stack(states, -2)

    def forward(self, clips):
        states, state = [], None
        for frame in clips.unbind(-2):
            state = self.cell(frame, state)
            states.append(state[0] if isinstance(state, tuple) else state)
            if states[-1].requires_grad:
                states[-1].retain_grad()
        self.states = states
        return self.head(torch.stack(states, -2)).tanh().mean(-2)


def clips_of(n_clips=3, n_frames=6):
    return torch.randn(n_clips, n_frames, 3)


def loss_of(given):
    return (3 * given).sin().square().sum()


class Recording:
    """A model in the middle of a recorded loop."""

    def __init__(self, model, log, *optimizers, **options):
        self.model, self.log = model, log
        self.optimizers = optimizers or (torch.optim.SGD(model.parameters(), lr=0.1),)
        self.recorder = Recorder(model, list(self.optimizers), log=log, level="hidden_gradients", **options)

    def step(self):
        for optimizer in self.optimizers:
            optimizer.step()
            optimizer.zero_grad()
        self.recorder.step(loss=0.0)
        return self.of_last_row()

    def of_last_row(self):
        return {name: value for name, value in self.log[-1].items() if name.startswith("hidden_gradient")}

    def faults(self):
        return [event["fault"] for event in self.log.events if event["kind"] == "signal-fault"]


@pytest.fixture
def recording(log):
    made = []

    def make(model, *optimizers, **options):
        made.append(Recording(model, log, *optimizers, **options))
        return made[-1]

    yield make
    for each in made:
        each.recorder.close()


def alone(model, clips, backward=lambda model, clips: loss_of(model(clips)).backward()):
    """What a copy gives in a first iteration of one batch."""
    once = Recording(copy.deepcopy(model), [])
    backward(once.model, clips)
    return once.step()


def assert_same(got, expected, rtol=1e-6):
    assert got.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_allclose(got[name], values, rtol=rtol, atol=1e-12, err_msg=name)


class TestCells:
    @pytest.mark.parametrize("shape", [(3, 6, 3), (4, 6, 3), (6, 3)])
    @pytest.mark.parametrize("kind", CELLS)
    def test_totals_are_the_states_own_gradients(self, recording, kind, shape):
        at = recording(Loop(kind))
        loss_of(at.model(torch.randn(shape))).backward()
        expected = [float(state.grad.norm()) for state in at.model.states]
        assert_same(at.step(), {"hidden_gradient.cell": expected})

    def test_a_state_that_nothing_comes_from_has_no_gradient(self, recording):
        at = recording(Loop("gru"))
        at.model(clips_of())
        at.model.states[2].sum().backward()
        got = at.step()["hidden_gradient.cell"]
        assert (got[:3] > 0).all()
        assert not got[3:].any()

    def test_a_state_modified_in_place_counts_as_the_cell_gave_it(self, recording):
        at = recording(Loop("gru").requires_grad_(True))
        state = at.model.cell(torch.randn(3))  # unbatched, so a view
        state.mul_(2).sum().backward()
        assert at.step()["hidden_gradient.cell"] == pytest.approx([4.0])

    def test_of_many_clips_evenly_spaced_ones_count(self, recording):
        at = recording(Loop("gru"))
        loss_of(at.model(clips_of(9))).backward()
        expected = [float(state.grad[::3].norm()) for state in at.model.states]
        assert_same(at.step(), {"hidden_gradient.cell": expected})

    @pytest.mark.parametrize("use_reentrant", [True, False])
    def test_checkpointed_calls_count_once_and_in_order(self, recording, use_reentrant):
        loop, clips = Loop("gru"), clips_of()
        expected = alone(loop, clips, lambda model, clips: loss_of(model.run(clips)).backward())
        at = recording(loop)
        for _ in range(2):
            got = checkpoint(at.model.run, clips.requires_grad_(), use_reentrant=use_reentrant)
            loss_of(got).backward()
        assert_same(at.step(), expected)

    def test_no_hook_is_left_on_their_states(self, recording):
        at = recording(Loop("gru"))
        loss = loss_of(at.model(clips_of()))
        states, retained = at.model.states, len(at.model.states[0]._backward_hooks or ())
        assert retained == 1
        loss.backward()
        at.step()
        assert not any(state._backward_hooks for state in states)

    def test_an_empty_batch_gives_nothing(self, recording):
        at = recording(Loop("gru"))
        loss_of(at.model(clips_of(0))).backward()
        assert (at.step(), at.faults()) == ({}, [])


class Decoder(nn.Module):
    """A GRU or its cell that reads its own last answer, from a state that an encoder gives."""

    def __init__(self):
        super().__init__()
        self.encoder = nn.GRU(3, 4, batch_first=True)
        self.rnn = nn.GRU(2, 4, batch_first=True)
        self.head = nn.Linear(4, 2)

    def forward(self, clips, cell=None, n_frames=9):
        state = self.encoder(clips)[1]
        answer = self.head(state[-1])
        self.answers, self.states = [], []
        for _ in range(n_frames):
            state = self.rnn(answer.unsqueeze(1), state)[1] if cell is None else cell(answer, state[-1]).unsqueeze(0)
            if state.requires_grad:
                state.retain_grad()
            self.states.append(state)
            answer = self.head(state[-1])
            self.answers.append(answer)
        return torch.stack(self.answers, 1)


def as_cell(rnn):
    cell = nn.GRUCell(rnn.input_size, rnn.hidden_size)
    cell.load_state_dict({name.removesuffix("_l0"): value for name, value in rnn.state_dict().items()})
    return cell


class TestSeveralCallsInAnIteration:
    def test_a_decoder_called_frame_by_frame_has_the_total_of_a_loop_of_cells(self, recording):
        at, clips = recording(Decoder()), clips_of()
        twin = copy.deepcopy(at.model)
        loss_of(twin(clips, as_cell(twin.rnn))).backward()
        loss_of(at.model(clips)).backward()
        expected = [float(state.grad.norm()) for state in twin.states]
        np.testing.assert_allclose(at.step()["hidden_gradient.rnn"], expected, rtol=1e-5)

    def test_a_decoder_gives_nothing_between_replays(self, recording):
        at, clips = recording(Decoder()), clips_of()
        rows = []
        for _ in range(3):
            loss_of(at.model(clips)).backward()
            rows.append(at.step())
        assert "hidden_gradient.rnn" in rows[0]
        assert "hidden_gradient_direct.rnn" not in rows[0]
        for row in rows[1:]:
            assert row.keys() == {"hidden_gradient_direct.encoder"}

    def test_an_encoder_that_hands_on_its_last_state_has_the_total_of_a_loop_of_cells(self, recording):
        at, clips = recording(Decoder()), clips_of()
        twin, state, states = copy.deepcopy(at.model), torch.zeros(3, 4), []
        cell = as_cell(twin.encoder)
        for frame in clips.unbind(1):
            state = cell(frame, state)
            state.retain_grad()
            states.append(state)
        twin.encoder.forward = lambda clips: (None, states[-1].unsqueeze(0))
        loss_of(twin(clips)).backward()
        loss_of(at.model(clips)).backward()
        got = at.step()
        np.testing.assert_allclose(got["hidden_gradient.encoder"], [float(s.grad.norm()) for s in states], rtol=1e-5)
        direct = got["hidden_gradient_direct.encoder"]
        assert not direct[:-1].any()
        assert direct[-1] == pytest.approx(got["hidden_gradient.encoder"][-1], rel=1e-5)

    def test_an_rnn_used_twice_in_a_pass_has_the_frames_of_both_calls(self, recording):
        at, first, second = recording(Tagger()), clips_of(), clips_of(3, 4)
        one = alone(at.model, first, lambda model, clips: loss_of(model(clips)).backward())
        other = alone(at.model, second, lambda model, clips: loss_of(model(clips)).backward())
        (loss_of(at.model(first)) + loss_of(at.model(second))).backward()
        assert_same(at.step(), {name: np.concatenate([one[name], other[name]]) for name in one}, rtol=1e-5)

    def test_chunks_that_hand_on_their_state_have_the_gradients_of_the_whole(self, recording):
        at, clips = recording(Tagger()), clips_of()
        expected = alone(at.model, clips)
        first, state = at.model.rnn(clips[:, :2])
        second, _ = at.model.rnn(clips[:, 2:], state)
        loss_of(at.model.head(torch.cat([first, second], 1)).mean(1)).backward()
        assert_same(at.step(), expected, rtol=1e-5)

    def test_several_backward_passes_through_one_graph_add_up(self, recording):
        at, clips = recording(Tagger()), clips_of()
        expected = alone(at.model, clips, lambda model, clips: (2 * loss_of(model(clips))).backward())
        loss = loss_of(at.model(clips))
        loss.backward(retain_graph=True)
        loss.backward()
        assert_same(at.step(), expected)

    def test_the_gradient_of_a_penalty_is_not_the_losss(self, recording):
        at, clips = recording(Loop("gru")), clips_of().requires_grad_()
        score = at.model(clips)
        (gradient,) = torch.autograd.grad(score.sum(), clips, create_graph=True)
        for state in at.model.states:
            state.grad = None
        (loss_of(score) + gradient.square().sum()).backward()
        expected = [float(state.grad.norm()) for state in at.model.states]
        assert_same(at.step(), {"hidden_gradient.cell": expected}, rtol=1e-5)


MODELS = {"fused": Tagger, "cells": lambda: Loop("gru")}


@pytest.mark.parametrize("kind", MODELS)
class TestBatches:
    @pytest.mark.parametrize("tells_each", [True, False])
    def test_of_accumulated_batches_the_last_one_counts(self, recording, kind, tells_each):
        at = recording(MODELS[kind]())
        batches = [clips_of(3, n_frames) for n_frames in (6, 9, 5)]
        expected = alone(at.model, batches[-1])
        for batch in batches:
            if batch is not batches[0] and tells_each:
                at.recorder.step(loss=0.0)
            loss_of(at.model(batch)).backward()
        assert_same(at.step(), expected)

    @pytest.mark.parametrize("way", ["eval", "no_grad", "inference_mode"])
    def test_a_pass_that_is_not_learnt_from_does_not_count(self, recording, kind, way):
        at, clips = recording(MODELS[kind]()), clips_of()
        expected = alone(at.model, clips)

        def look():
            if way == "eval":
                at.model.eval()(clips_of(2, 9))
                at.model.train()
            else:
                with getattr(torch, way)():
                    at.model(clips_of(2, 9))

        look()
        loss = loss_of(at.model(clips))
        look()
        loss.backward()
        look()
        assert_same(at.step(), expected)

    def test_a_pass_whose_loss_was_dropped_does_not_count(self, recording, kind):
        at, clips = recording(MODELS[kind]()), clips_of()
        expected = alone(at.model, clips)
        at.model(clips)
        at.recorder.step(loss=0.0)
        loss_of(at.model(clips)).backward()
        assert_same(at.step(), expected)

    def test_two_optimisers_of_one_network_measure_once(self, recording, kind):
        model, clips = MODELS[kind](), clips_of()
        weights, biases = ([p for p in model.parameters() if (p.ndim > 1) is is_weight] for is_weight in (True, False))
        expected = alone(model, clips)
        at = recording(model, torch.optim.SGD(weights, lr=10.0), torch.optim.SGD(biases, lr=10.0))
        loss_of(at.model(clips)).backward()
        assert_same(at.step(), expected)

    def test_an_rnn_is_measured_as_its_own_optimiser_steps(self, recording, kind):
        """As in a GAN: at the first optimiser's step the second's network has no gradients yet."""
        parts = nn.ModuleDict({"one": MODELS[kind](), "other": MODELS[kind]()})
        at = recording(parts, *(torch.optim.SGD(part.parameters(), lr=0.1) for part in parts.values()))
        clips = clips_of()
        expected = {name: alone(part, clips) for name, part in parts.items()}
        for part, optimizer in zip(parts.values(), at.optimizers, strict=True):
            loss_of(part(clips)).backward()
            optimizer.step()
        at.recorder.step(loss=0.0)
        got = at.of_last_row()
        for name, values in expected.items():
            renamed = {key.replace(".", f".{name}.", 1): value for key, value in values.items()}
            assert_same({key: got[key] for key in renamed}, renamed)

    def test_an_optimiser_that_calls_a_closure_is_measured_at_its_first_call(self, recording, kind):
        model, clips = MODELS[kind](), clips_of()
        expected = alone(model, clips)
        optimizer = torch.optim.LBFGS(model.parameters(), max_iter=5)
        at = recording(model, optimizer)

        def closure():
            optimizer.zero_grad()
            loss = loss_of(model(clips))
            loss.backward()
            return loss

        optimizer.step(closure)
        at.recorder.step(loss=0.0)
        assert_same(at.of_last_row(), expected)

    def test_the_scale_of_the_loss_is_divided_out(self, recording, kind):
        model, clips = MODELS[kind](), clips_of()
        expected = alone(model, clips)
        scaler, optimizer = torch.amp.GradScaler("cpu", init_scale=2.0**14), torch.optim.SGD(model.parameters())
        at = recording(model, optimizer, scaler=scaler)
        scaler.scale(loss_of(model(clips))).backward()
        scaler.step(optimizer)
        scaler.update()
        at.recorder.step(loss=0.0)
        assert_same(at.of_last_row(), expected, rtol=1e-5)

    def test_a_step_that_the_scaler_skips_gives_nothing_and_the_next_one_something(self, recording, kind):
        model, clips = MODELS[kind](), clips_of()
        scaler, optimizer = torch.amp.GradScaler("cpu", init_scale=8.0), torch.optim.SGD(model.parameters())
        at = recording(model, optimizer, scaler=scaler)
        for factor in (torch.inf, 1.0):
            scaler.scale(loss_of(model(clips)) * factor).backward()
            scaler.step(optimizer)
            scaler.update()
            optimizer.zero_grad()
            at.recorder.step(loss=0.0)
        skipped, stepped = at.log
        assert skipped["skipped"]
        assert not any(name.startswith("hidden_gradient") for name in skipped)
        assert any(name.startswith("hidden_gradient.") for name in stepped)

    @pytest.mark.parametrize("use_reentrant", [True, False])
    def test_activation_checkpointing_counts_once(self, recording, kind, use_reentrant):
        at, clips = recording(MODELS[kind]()), clips_of()
        expected = alone(at.model, clips)
        for batch in (clips_of(2, 4), clips):
            loss_of(checkpoint(at.model, batch.requires_grad_(), use_reentrant=use_reentrant)).backward()
        assert_same(at.step(), expected)

    @pytest.mark.parametrize("use_reentrant", [True, False])
    def test_checkpointed_segments_come_in_the_order_of_the_forward_pass(self, recording, kind, use_reentrant):
        at, clips = recording(MODELS[kind]()), [clips_of(3, n) for n in (4, 6, 3)]
        expected = alone(at.model, clips, lambda model, clips: sum(loss_of(model(part)) for part in clips).backward())
        segments = [checkpoint(at.model, part.requires_grad_(), use_reentrant=use_reentrant) for part in clips]
        sum(map(loss_of, segments)).backward()
        assert_same(at.step(), expected)

    def test_autocast_is_seen_as_near_as_it_computes(self, recording, kind):
        at, clips = recording(MODELS[kind]()), clips_of()
        expected = alone(at.model, clips)
        with torch.autocast("cpu", torch.bfloat16):
            loss = loss_of(at.model(clips))
        loss.backward()
        assert_same(at.step(), expected, rtol=0.1)
        assert at.faults() == []

    def test_a_backward_pass_in_another_thread_counts(self, recording, kind):
        at, clips = recording(MODELS[kind]()), clips_of()
        expected = alone(at.model, clips)
        thread = threading.Thread(target=loss_of(at.model(clips)).backward)
        thread.start()
        thread.join()
        assert_same(at.step(), expected)

    @pytest.mark.parametrize("backend", ["aot_eager", "inductor"])
    def test_a_compiled_network_gives_them(self, recording, kind, backend):
        if backend == "inductor" and not (shutil.which("c++") or shutil.which("g++")):
            pytest.skip("no C++ compiler")
        torch._dynamo.reset()
        model, clips = MODELS[kind](), clips_of()
        expected = alone(model, clips)
        at = recording(model)
        loss_of(torch.compile(model, backend=backend)(clips)).backward()
        assert_same(at.step(), expected, rtol=1e-4)
        assert at.faults() == []


def test_bins_are_means_of_their_frames_and_few_frames_stay_as_they_are():
    assert torch.equal(binned(torch.arange(64.0)), torch.arange(64.0))
    assert torch.allclose(binned(torch.arange(128.0)), torch.arange(BINS) * 2 + 0.5)
    assert binned(torch.arange(65.0)).shape == (BINS,)


def test_a_replay_that_fails_is_told_once_and_the_other_rnns_stay(recording, monkeypatch):
    total = RnnWatch.total

    def fails(watch, scale):
        if watch.path == "bad":
            raise ArithmeticError("no replay")
        return total(watch, scale)

    monkeypatch.setattr(RnnWatch, "total", fails)
    model = nn.ModuleDict({"bad": nn.GRU(3, 3, batch_first=True), "good": nn.GRU(3, 4, batch_first=True)})
    at = recording(model)
    loss_of(model["good"](model["bad"](clips_of())[0])[0]).backward()
    with pytest.warns(UserWarning, match="HiddenGradients could not be recorded at iteration 0"):
        got = at.step()
    assert got.keys() == {"hidden_gradient.good", "hidden_gradient_direct.good"}
    assert at.faults() == ["ArithmeticError: no replay"]


@pytest.mark.parametrize("way", ["of the batch", "found by another signal"])
def test_a_fused_optimisers_skipped_step_gives_nothing(way):
    batch = Batch(0, None, None, None, None, skipped=way == "of the batch", shared={"skipped": way != "of the batch"})
    assert HiddenGradients().collect(batch, {"hidden_gradient.rnn": torch.ones(3)}) == {}
