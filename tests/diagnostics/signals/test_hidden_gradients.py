"""Through the real recorder, against loops of cells under autograd on the same weights and batch."""

import copy
import gc
import pickle
import weakref
from contextlib import ExitStack
from itertools import product
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from flatline.diagnostics.cadence import Cadence
from flatline.diagnostics.recorder import Recorder
from flatline.diagnostics.signals import HiddenGradients, hidden_gradients
from torch import nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

FEATURES, HIDDEN = 4, 5

KINDS = {
    "tanh": (nn.RNN, {}),
    "relu": (nn.RNN, {"nonlinearity": "relu"}),
    "gru": (nn.GRU, {}),
    "lstm": (nn.LSTM, {}),
    "projected": (nn.LSTM, {"proj_size": 2}),
}


def make(kind, **options):
    module, own = KINDS[kind]
    return module(FEATURES, HIDDEN, **{"batch_first": True, **own, **options}).double()


def clips_of(n_clips=3, n_frames=7):
    return torch.randn(n_clips, n_frames, FEATURES, dtype=torch.float64)


def cell(rnn, suffix, x, h, c):
    """One step of PyTorch's documented formulas for all clips; c is None but in an LSTM."""
    gates_x = nn.functional.linear(x, getattr(rnn, f"weight_ih_{suffix}"), getattr(rnn, f"bias_ih_{suffix}"))
    gates_h = nn.functional.linear(h, getattr(rnn, f"weight_hh_{suffix}"), getattr(rnn, f"bias_hh_{suffix}"))
    if rnn.mode == "LSTM":
        i, f, g, o = (gates_x + gates_h).chunk(4, -1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        h = o.sigmoid() * c.tanh()
        return (h @ getattr(rnn, f"weight_hr_{suffix}").mT if rnn.proj_size else h), c
    if rnn.mode == "GRU":
        (x_r, x_z, x_n), (h_r, h_z, h_n) = gates_x.chunk(3, -1), gates_h.chunk(3, -1)
        z = (x_z + h_z).sigmoid()
        return (1 - z) * (x_n + (x_r + h_r).sigmoid() * h_n).tanh() + z * h, c
    return getattr(torch, "tanh" if rnn.mode == "RNN_TANH" else "relu")(gates_x + gates_h), c


def dropped(rnn, x, lengths):
    """What F.dropout makes of the layer's output in the layout that the fused kernel has."""
    if lengths is None:
        return nn.functional.dropout(x.transpose(0, 1).contiguous(), rnn.dropout).transpose(0, 1)
    packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
    packed = packed._replace(data=nn.functional.dropout(packed.data, rnn.dropout))
    return pad_packed_sequence(packed, batch_first=True, total_length=x.shape[1])[0]


def loops(rnn, x, lengths=None, initial=None):
    """Output, h_n, c_n, and by suffix each frame's states (clip, out), which keep their gradients."""
    n_clips, n_frames = x.shape[:2]
    until = torch.full((n_clips,), n_frames) if lengths is None else lengths
    h_n, c_n, kept = [], [], {}
    for layer in range(rnn.num_layers):
        outputs = []
        for end in ("", "_reverse") if rnn.bidirectional else ("",):
            place = len(h_n)
            h = x.new_zeros(n_clips, rnn.proj_size or HIDDEN) if initial is None else initial[0][place]
            c = x.new_zeros(n_clips, HIDDEN) if initial is None else initial[-1][place]
            states = [None] * n_frames
            for t in reversed(range(n_frames)) if end else range(n_frames):
                real = (t < until).unsqueeze(1)
                new, new_c = cell(rnn, f"l{layer}{end}", x[:, t], h, c)
                new.retain_grad()
                states[t] = new
                h, c = torch.where(real, new, h), torch.where(real, new_c, c)
            kept[f"l{layer}{end}"] = states
            h_n.append(h)
            c_n.append(c)
            outputs.append(torch.stack([torch.where((t < until).unsqueeze(1), s, 0) for t, s in enumerate(states)], 1))
        x = torch.cat(outputs, -1)
        if rnn.dropout and layer < rnn.num_layers - 1:
            x = dropped(rnn, x, lengths)
    return x, torch.stack(h_n), torch.stack(c_n), kept


def norms(states, clips=slice(None)):
    """(frame,) norm of what autograd kept."""
    kept = [torch.zeros_like(state) if state.grad is None else state.grad for state in states]
    return np.array([float(gradient[clips].norm()) for gradient in kept])


def expected_of(rnn, x, loss, lengths=None, initial=None, clips=slice(None)):
    """By column, from the loop of cells; the random state is left as it was found."""
    twin = copy.deepcopy(rnn)
    with torch.random.fork_rng():
        output, h_n, c_n, kept = loops(twin, x, lengths, initial)
        loss(output, h_n, c_n).backward()
    by_layer = {suffix: norms(states, clips) for suffix, states in kept.items()}
    top = f"l{rnn.num_layers - 1}"
    last = np.sqrt(sum(by_layer[suffix] ** 2 for suffix in by_layer if suffix.startswith(top)))
    of_layers = {f"hidden_gradient.rnn.{suffix}": values for suffix, values in by_layer.items()}
    return {"hidden_gradient.rnn": last, **(of_layers if len(by_layer) > 1 else {})}


class Model(nn.Module):
    """An RNN among its users; `call` is how it is called."""

    def __init__(self, rnn):
        super().__init__()
        self.rnn = rnn

    def forward(self, *given, **named):
        return self.rnn(*given, **named)


def on_all(output, h_n, c_n):
    """A loss on all that an RNN gives."""
    return on_output(output, h_n, c_n) + on_final(output, h_n, c_n)


def on_output(output, h_n, c_n):
    weight = torch.linspace(-1, 2, output.numel(), dtype=torch.float64).sin().reshape(output.shape).to(output.dtype)
    return ((2 * output).sin() * weight).sum()


def on_final(output, h_n, c_n):
    weight = torch.linspace(-2, 3, h_n.numel(), dtype=torch.float64).cos().reshape(h_n.shape).to(h_n.dtype)
    return ((2 * h_n).sin() * weight).sum()


def on_last_frame(output, h_n, c_n):
    return output[:, -1].square().sum()


def parts(given):
    """Output, h_n and c_n of what an RNN returned, a packed output padded."""
    output, states = given
    if isinstance(output, PackedSequence):
        output = pad_packed_sequence(output, batch_first=True)[0]
    return (output, *(states if isinstance(states, tuple) else (states, None)))


def recorded(rnn, work, log, **options):
    """The row of one iteration in which `work(model)` gives the loss."""
    model = Model(rnn)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with Recorder(model, optimizer, log=log, level="hidden_gradients", **options) as recorder:
        loss = work(model)
        loss.backward()
        optimizer.step()
        recorder.step(loss=loss)
    assert not [event for event in log.events if event["kind"] == "signal-fault"]
    return totals(log[0])


def totals(row):
    return {name: value for name, value in row.items() if name.startswith("hidden_gradient.")}


def assert_same(got, expected, rtol=1e-6):
    assert got.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_allclose(got[name], values, rtol=rtol, atol=1e-12, err_msg=name)


@pytest.mark.parametrize(("kind", "n_layers", "both_ways"), list(product(KINDS, (1, 2, 3), (False, True))))
def test_totals_are_autograds_through_a_loop_of_cells(log, kind, n_layers, both_ways):
    rnn, x = make(kind, num_layers=n_layers, bidirectional=both_ways), clips_of()
    expected = expected_of(rnn, x, on_all)
    assert_same(recorded(rnn, lambda model: on_all(*parts(model(x))), log), expected)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("loss", [on_output, on_final, on_all, on_last_frame])
def test_whatever_the_loss_looks_at(log, kind, loss):
    rnn, x = make(kind, num_layers=2, bidirectional=True), clips_of()
    expected = expected_of(rnn, x, loss)
    assert_same(recorded(rnn, lambda model: loss(*parts(model(x))), log), expected)


@pytest.mark.parametrize("kind", KINDS)
def test_frames_first_gives_the_same(log, kind):
    rnn, x = make(kind, num_layers=2, bidirectional=True, batch_first=False), clips_of()
    expected = expected_of(rnn, x, lambda output, h_n, c_n: on_all(output.transpose(0, 1), h_n, c_n))
    assert_same(recorded(rnn, lambda model: on_all(*parts(model(x.transpose(0, 1)))), log), expected)


@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_unbatched_input_is_one_clip(log, kind, batch_first):
    rnn, x = make(kind, num_layers=2, bidirectional=True, batch_first=batch_first), clips_of(1)
    initial = initial_of(rnn, 1)
    expected = expected_of(rnn, x, on_all, initial=initial)
    alone = tuple(state.squeeze(1) for state in initial)
    given = alone if rnn.mode == "LSTM" else alone[0]
    assert_same(recorded(rnn, lambda model: on_all(*parts(model(x[0], given))), log), expected)


@pytest.mark.parametrize("kind", ["tanh", "gru"])
def test_an_unbatched_output_may_be_modified_in_place(log, kind):
    """Its view gets another node then, and a hook on the old one would never be called."""
    rnn, x = make(kind), clips_of(1)
    expected = expected_of(rnn, x, lambda output, h_n, c_n: on_all(output.relu(), h_n, c_n))

    def work(model):
        output, h_n = model(x[0])
        return on_all(output.relu_(), h_n, None)

    assert_same(recorded(rnn, work, log), expected)


def initial_of(rnn, n_clips):
    n_states = rnn.num_layers * (1 + rnn.bidirectional)
    return tuple(torch.randn(n_states, n_clips, n, dtype=torch.float64) for n in (rnn.proj_size or HIDDEN, HIDDEN))


@pytest.mark.parametrize("way", ["positional", "keyword", "all keywords"])
@pytest.mark.parametrize("kind", KINDS)
def test_initial_states_count_however_they_are_given(log, kind, way):
    rnn, x = make(kind, num_layers=2, bidirectional=True), clips_of()
    initial = initial_of(rnn, 3)
    expected = expected_of(rnn, x, on_all, initial=initial)
    hx = initial if rnn.mode == "LSTM" else initial[0]

    def work(model):
        given = {"positional": lambda: model(x, hx), "keyword": lambda: model(x, hx=hx)}
        return on_all(*parts(given.get(way, lambda: model(input=x, hx=hx))()))

    assert_same(recorded(rnn, work, log), expected)


def test_initial_states_of_an_lstm_may_be_a_list(log):
    rnn, x = make("lstm").float(), clips_of().float()
    initial = [state.float() for state in initial_of(rnn, 3)]
    expected = expected_of(rnn, x, on_all, initial=initial)
    assert_same(recorded(rnn, lambda model: on_all(*parts(model(x, initial))), log), expected, rtol=2e-6)


@pytest.mark.parametrize("is_sorted", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_packed_sequences_count_their_real_frames(log, kind, is_sorted):
    rnn, x = make(kind, num_layers=2, bidirectional=True), clips_of()
    lengths = torch.tensor([7, 4, 1] if is_sorted else [4, 7, 1])
    initial = initial_of(rnn, 3)
    expected = expected_of(rnn, x, on_all, lengths, initial)
    packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=is_sorted)
    hx = initial if rnn.mode == "LSTM" else initial[0]
    assert_same(recorded(rnn, lambda model: on_all(*parts(model(packed, hx))), log), expected)


@pytest.mark.parametrize("lengths", [None, [4, 7, 1]])
@pytest.mark.parametrize("kind", KINDS)
def test_dropout_between_layers_is_drawn_again_as_it_was(log, kind, lengths):
    rnn, x = make(kind, num_layers=3, bidirectional=True, dropout=0.5), clips_of()
    lengths = None if lengths is None else torch.tensor(lengths)
    given = x if lengths is None else pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
    expected = expected_of(rnn, x, on_all, lengths)
    assert_same(recorded(rnn, lambda model: on_all(*parts(model(given))), log), expected)


def test_dropout_is_drawn_again_for_a_few_of_many_clips(log):
    rnn, x = make("gru", num_layers=2, dropout=0.5), clips_of(9)
    expected = expected_of(rnn, x, on_all, clips=slice(None, None, 3))
    assert_same(recorded(rnn, lambda model: on_all(*parts(model(x))), log), expected)


@pytest.mark.parametrize(("n_clips", "step"), [(4, 1), (5, 2), (8, 2), (9, 3), (32, 8)])
def test_of_many_clips_evenly_spaced_ones_count(log, n_clips, step):
    rnn, x = make("gru", num_layers=2, bidirectional=True), clips_of(n_clips)
    expected = expected_of(rnn, x, on_all, clips=slice(None, None, step))
    assert_same(recorded(rnn, lambda model: on_all(*parts(model(x))), log), expected)


def test_of_many_packed_clips_they_are_evenly_spaced_by_length(log):
    rnn, x = make("gru", bidirectional=True), clips_of(8)
    lengths = torch.tensor([3, 7, 1, 5, 6, 2, 4, 7])
    packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
    assert packed.sorted_indices is not None
    expected = expected_of(rnn, x, on_all, lengths, clips=packed.sorted_indices[::2])
    assert_same(recorded(rnn, lambda model: on_all(*parts(model(packed))), log), expected)


def test_long_clips_are_binned_as_means(log):
    rnn, x = make("gru", num_layers=2), clips_of(2, 192)
    expected = {name: values.reshape(64, 3).mean(1) for name, values in expected_of(rnn, x, on_all).items()}
    assert_same(recorded(rnn, lambda model: on_all(*parts(model(x))), log), expected)
    assert log[0]["hidden_gradient_direct.rnn"].shape == (64,)


@pytest.mark.parametrize("kind", KINDS)
def test_single_precision_is_as_close_as_it_can_be(log, kind):
    rnn, x = make(kind, num_layers=2, bidirectional=True).float(), clips_of().float()
    expected = expected_of(rnn, x, on_all)
    assert_same(recorded(rnn, lambda model: on_all(*parts(model(x))), log), expected, rtol=1e-5)


@pytest.mark.parametrize("batch_first", [True, False])
def test_the_direct_term_is_what_a_tensor_hook_sees(log, batch_first):
    rnn, x, seen = make("lstm", num_layers=2, bidirectional=True, batch_first=batch_first), clips_of(), []

    def work(model):
        output = model(x)[0]
        output.register_hook(seen.append)
        return on_output(output, None, None)

    recorded(rnn, work, log)
    (gradient,) = seen
    frames = gradient.unbind(1 if batch_first else 0)
    clips = slice(None) if batch_first else slice(None, None, 2)  # seven of them
    expected = [float(frame[clips].norm()) for frame in frames]
    np.testing.assert_allclose(log[0]["hidden_gradient_direct.rnn"], expected, rtol=1e-6)


def test_the_direct_term_has_h_n_where_it_was_read(log):
    rnn, x = make("gru", bidirectional=True), clips_of()
    recorded(rnn, lambda model: on_final(*parts(model(x))), log)
    direct = log[0]["hidden_gradient_direct.rnn"]
    assert direct[[0, -1]].all()
    assert not direct[1:-1].any()


def test_a_loss_on_the_last_frame_has_no_direct_term_before_it_but_a_total(log):
    rnn, x = make("gru"), clips_of()
    got = recorded(rnn, lambda model: on_last_frame(*parts(model(x))), log)
    direct = log[0]["hidden_gradient_direct.rnn"]
    assert not direct[:-1].any()
    assert direct[-1] == pytest.approx(got["hidden_gradient.rnn"][-1])
    assert (got["hidden_gradient.rnn"] > 0).all()


def test_what_goes_in_and_comes_out_is_the_same_with_a_recorder(log):
    def trained(recording):
        torch.manual_seed(3)
        rnn, x = make("gru", num_layers=2, dropout=0.5), clips_of()
        work = lambda model: on_all(*parts(model(x)))  # noqa: E731 - given to one of two
        if recording:
            recorded(rnn, work, log)
        else:
            model = Model(rnn)
            optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
            work(model).backward()
            optimizer.step()
        assert rnn.training
        return [*map(torch.Tensor.detach, rnn.parameters()), torch.get_rng_state()]

    for with_recorder, without in zip(trained(True), trained(False), strict=True):
        assert torch.equal(with_recorder, without)


class TestAfterwards:
    def test_no_hook_is_left_on_modules_optimisers_or_tensors(self, log, hooks_on):
        model = Model(make("gru", batch_first=False))
        optimizer = torch.optim.SGD(model.parameters())
        kept = []
        with Recorder(model, optimizer, log=log, level="hidden_gradients") as recorder:
            for _ in range(2):
                output, h_n, _ = parts(model(clips_of()))
                kept += [output, h_n, *(t._base for t in (output, h_n) if t._base is not None)]
                loss = on_all(output, h_n, None)
                loss.backward()
                optimizer.step()
                recorder.step(loss=loss)
            kept += [*model(clips_of())]
        assert hooks_on(model, optimizer) == 0
        assert not any(tensor._backward_hooks for tensor in kept)

    def test_none_is_left_after_an_exception_either(self, log, hooks_on):
        model = Model(make("gru"))
        optimizer, kept = torch.optim.SGD(model.parameters()), []

        def fails():
            with Recorder(model, optimizer, log=log, level="hidden_gradients"):
                kept.extend(model(clips_of()))
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            fails()
        assert hooks_on(model, optimizer) == 0
        assert not any(tensor._backward_hooks for tensor in kept)

    def test_nothing_of_the_batch_is_kept_alive(self, log):
        model = Model(make("gru"))
        optimizer = torch.optim.SGD(model.parameters())
        recorder = Recorder(model, optimizer, log=log, level="hidden_gradients")
        x = clips_of()
        output = model(x)[0]
        alive = [weakref.ref(tensor) for tensor in (x, output)]
        on_output(output, None, None).backward()
        recorder.close()
        del x, output
        gc.collect()
        assert [ref() for ref in alive] == [None, None]

    @pytest.mark.parametrize("copied", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
    def test_a_copy_of_the_model_runs_unrecorded(self, log, copied):
        model = Model(make("gru"))
        optimizer = torch.optim.SGD(model.parameters())
        with Recorder(model, optimizer, log=log, level="hidden_gradients") as recorder:
            loss = on_all(*parts(model(clips_of())))
            loss.backward()
            twin = copied(model)
            on_all(*parts(twin(clips_of(2, 20)))).backward()
            optimizer.step()
            recorder.step(loss=loss)
        assert len(log[0]["hidden_gradient.rnn"]) == 7


class Slow:
    """A clock that a replay moves by what it costs and an iteration by 0.1 s."""

    def __init__(self, cost_s):
        self.now, self.cost_s, self.n_replays = 0.0, cost_s, 0

    def __call__(self):
        return self.now

    def replay(self, *args):
        self.now += self.cost_s
        self.n_replays += 1
        return self.real(*args)

    def real(self, *args):
        raise NotImplementedError


@pytest.mark.parametrize(("cost_s", "n_replays"), [(1.0, 1), (0.01, 5), (1e-5, 100)])
def test_replays_keep_to_their_share_of_the_time(log, monkeypatch, cost_s, n_replays):
    clock = Slow(cost_s)
    clock.real = hidden_gradients.RnnWatch.total
    monkeypatch.setattr(hidden_gradients.RnnWatch, "total", lambda *args: clock.replay(*args))
    monkeypatch.setattr(hidden_gradients, "Cadence", lambda share: Cadence(share, clock))
    model = Model(make("gru"))
    optimizer = torch.optim.SGD(model.parameters())
    with Recorder(model, optimizer, log=log, level="hidden_gradients") as recorder:
        for _ in range(100):
            loss = on_all(*parts(model(clips_of(1, 2))))
            loss.backward()
            optimizer.step()
            recorder.step(loss=loss)
            clock.now += 0.1
    assert clock.n_replays == pytest.approx(n_replays, abs=1)
    assert [bool(totals(row)) for row in log].count(True) == clock.n_replays
    assert all("hidden_gradient_direct.rnn" in row for row in log)


@pytest.mark.parametrize("is_packed", [False, True])
def test_nothing_waits_for_the_device(no_reading, is_packed, watched):
    rnn, x = make("gru", num_layers=2, bidirectional=True), clips_of(6)
    given = pack_padded_sequence(x, torch.tensor([7, 5, 5, 3, 2, 1]), batch_first=True) if is_packed else x
    held = watched(Model(rnn))

    with no_reading():
        loss = on_all(*parts(held.model(given)))
        loss.backward()
        held.optimizer.step()
        held.signal.see(None)
        taken = held.signal.take()
    assert {"hidden_gradient.rnn", "hidden_gradient_direct.rnn"} <= taken.keys()


@pytest.fixture
def watched():
    """Puts the signal alone on a model; `.model`, `.optimizer`, `.signal`."""
    with ExitStack() as stack:

        def attach(model):
            optimizer, signal = torch.optim.SGD(model.parameters()), HiddenGradients()
            signal.attach(model, [optimizer], stack)
            return SimpleNamespace(model=model, optimizer=optimizer, signal=signal)

        yield attach
