"""Zero share, saturation and spread against numpy by hand."""

import copy
import gc
import pickle
import weakref
from contextlib import ExitStack

import numpy as np
import pytest
import torch
from flatline.diagnostics.errors import AttachError
from flatline.diagnostics.recorder import Recorder
from flatline.diagnostics.signals import Activations
from flatline.diagnostics.signals.activations import MOST_MODULES, SAMPLED
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence
from torch.utils.checkpoint import checkpoint

NAMES = ("zero_share", "activation_saturation", "activation_spread")


class Net(nn.Module):
    """Modules by name, called one after the other; what each gave is kept."""

    def __init__(self, **modules):
        super().__init__()
        self.order = list(modules)
        for name, module in modules.items():
            self.add_module(name, module)

    def forward(self, given):
        self.given = {}
        for name in self.order:
            given = self.get_submodule(name)(given)
            self.given[name] = given
        return given


class Recording:
    """A model whose every pass is a recorded iteration."""

    def __init__(self, model, log, **options):
        self.model, self.log = model, log
        self.optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1)), *model.parameters()], lr=0.0)
        self.recorder = Recorder(model, self.optimizer, log=log, **{"level": "activations", **options})

    def step(self):
        self.optimizer.step()
        self.recorder.step(loss=0.0)
        return {name: value for name, value in self.log[-1].items() if name.startswith(NAMES)}

    def of(self, path):
        return tuple(self.log[-1].get(f"{name}.{path}") for name in NAMES)

    def __call__(self, given):
        self.model(given)
        self.step()
        return self


@pytest.fixture
def recording(log):
    with ExitStack() as stack:

        def make(model=None, /, **modules):
            made = Recording(model or Net(**modules), log)
            stack.callback(made.recorder.close)
            return made

        yield make


def by_hand(values, low=None, high=None):
    """Zero share, saturation and spread of (clip, ...)."""
    values = values.detach().double().numpy()
    saturation = np.nan
    if low is not None:
        saturation = np.mean(np.abs(values - (low + high) / 2) > 0.9 * (high - low) / 2)
    return np.mean(values == 0), saturation, np.std(values, 0).mean() if len(values) > 1 else np.nan


def same(expected):
    return pytest.approx(expected, rel=1e-5, abs=1e-7, nan_ok=True)


def test_a_convolution_and_its_relu(recording):
    at = recording(conv=nn.Conv2d(1, 4, 3), act=nn.ReLU())(torch.randn(5, 1, 9, 8))
    assert at.of("conv") == same(by_hand(at.model.given["conv"]))
    assert at.of("act") == same(by_hand(at.model.given["act"]))
    assert 0.2 < at.of("act")[0] < 0.8
    assert np.isnan(at.of("act")[1])


def test_a_relu_in_place_does_not_reach_what_stood_before_it(recording):
    net = Net(conv=nn.Conv2d(1, 4, 3), act=nn.ReLU(inplace=True))
    given = torch.randn(5, 1, 9, 8)
    expected = by_hand(net.conv(given)), by_hand(net.conv(given).relu())
    at = recording(net)(given)
    assert (at.of("conv"), at.of("act")) == (same(expected[0]), same(expected[1]))


@pytest.mark.parametrize(
    ("module", "low", "high"),
    [
        (nn.Sigmoid(), 0, 1),
        (nn.Hardsigmoid(), 0, 1),
        (nn.Tanh(), -1, 1),
        (nn.Hardtanh(), -1, 1),
        (nn.Softsign(), -1, 1),
        (nn.Softmax(-1), 0, 1),
    ],
)
def test_a_module_with_bounds_is_saturated_near_them(recording, module, low, high):
    at = recording(act=module)(torch.randn(6, 7, 3) * 4)
    assert at.of("act") == same(by_hand(at.model.given["act"], low, high))
    assert at.of("act")[1] > 0 or isinstance(module, nn.Softsign)


@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("rnn", [nn.RNN, nn.GRU, nn.LSTM])
def test_an_rnns_output_by_clip_whatever_comes_first(recording, rnn, batch_first):
    at = recording(rnn=rnn(3, 4, batch_first=batch_first))(torch.randn(5, 9, 3) * 9)
    states = at.model.given["rnn"][0]
    assert at.of("rnn") == same(by_hand(states if batch_first else states.transpose(0, 1), -1, 1))


def test_an_rnn_without_bounds_has_no_saturation(recording):
    for rnn in (nn.RNN(3, 4, nonlinearity="relu"), nn.LSTM(3, 4, proj_size=2)):
        assert np.isnan(recording(rnn=rnn)(torch.randn(5, 9, 3)).of("rnn")[1])


@pytest.mark.parametrize("batch_first", [True, False])
def test_an_unbatched_rnn_and_cell_are_of_one_clip(recording, batch_first):
    at = recording(rnn=nn.GRU(3, 4, batch_first=batch_first))(torch.randn(9, 3) * 9)
    assert at.of("rnn") == same(by_hand(at.model.given["rnn"][0].unsqueeze(0), -1, 1))
    at = recording(cell=nn.GRUCell(3, 4))(torch.randn(3) * 9)
    assert at.of("cell") == same(by_hand(at.model.given["cell"].unsqueeze(0), -1, 1))


def test_a_packed_sequence_counts_its_real_frames_and_spreads_where_all_clips_have_one(recording):
    lengths = torch.tensor([3, 9, 4])
    packed = pack_padded_sequence(torch.randn(3, 9, 3) * 9, lengths, batch_first=True, enforce_sorted=False)
    at = recording(rnn=nn.GRU(3, 4))(packed)
    states = pad_packed_sequence(at.model.given["rnn"][0], batch_first=True)[0]
    real = torch.cat([clip[:length] for clip, length in zip(states, lengths, strict=True)])
    assert at.of("rnn") == same((*by_hand(real, -1, 1)[:2], by_hand(states[:, :3])[2]))


def test_one_clip_has_no_spread(recording):
    assert np.isnan(recording(act=nn.ReLU())(torch.randn(1, 9)).of("act")[2])


@pytest.mark.parametrize("bad", [torch.nan, torch.inf, -torch.inf])
def test_what_is_not_finite_makes_all_unknown(recording, bad):
    given = torch.randn(3, 4)
    given[1, 2] = bad
    assert np.isnan(recording(out=nn.LeakyReLU())(given).of("out")).all()


@pytest.mark.parametrize("shape", [(), (4,)])
def test_an_output_without_clips_has_shares_and_no_spread(recording, shape):
    at = recording(act=nn.Sigmoid())(torch.randn(shape) * 9)
    assert at.of("act") == same(by_hand(at.model.given["act"].reshape(1, -1), 0, 1))


@pytest.mark.parametrize("precision", [torch.float64, torch.bfloat16])
def test_other_precisions_count_as_their_values_are(recording, precision):
    at = recording(act=nn.Sigmoid())(torch.randn(4, 50, dtype=precision) * 9)
    assert at.of("act") == same(by_hand(at.model.given["act"].float(), 0, 1))


class TestLargeOutputs:
    @pytest.mark.parametrize("shape", [(16, 64, 64, 64), (8, 60, 50, 60), (40, 100, 30, 8), (3, 2, 300, 500)])
    def test_a_sample_is_close_to_all_of_it_even_where_it_depends_on_the_column(self, recording, shape):
        column = torch.linspace(-2, 2, shape[-1]) + torch.linspace(-2, 2, shape[-2]).unsqueeze(1)
        given = torch.randn(shape) * column.abs() + column
        at = recording(act=nn.ReLU(), out=nn.Tanh())(given)
        for path, bounds in (("act", ()), ("out", (-1, 1))):
            expected = by_hand(at.model.given[path][:: -(-shape[0] // 16)], *bounds)
            assert at.of(path) == pytest.approx(expected, abs=0.01, nan_ok=True)

    def test_of_long_packed_sequences_too(self, recording):
        given = torch.randn(64, 512, 3) * torch.linspace(0, 9, 64).reshape(-1, 1, 1)
        at = recording(rnn=nn.GRU(3, 32))(pack_padded_sequence(given, torch.full((64,), 512), batch_first=True))
        data = at.model.given["rnn"][0].data
        assert data.numel() > 8 * SAMPLED
        assert at.of("rnn")[:2] == pytest.approx(by_hand(data, -1, 1)[:2], abs=0.01)


class TestWhichModules:
    def test_deep_covers_every_leaf_that_computes_something(self, log):
        inner = nn.Sequential(nn.Linear(4, 4), nn.Dropout(), nn.ReLU())
        at = Recording(Net(inner=inner, flat=nn.Flatten(), same=nn.Identity(), out=nn.Linear(4, 2)), log, level="deep")
        at(torch.randn(3, 4))
        at.recorder.close()
        assert {name.partition(".")[2] for name in at.log[0] if name.startswith("zero_share")} == {
            "inner.0",
            "inner.2",
            "out",
        }

    def test_of_very_many_the_first_ones(self, log):
        at = Recording(Net(**{f"a{number}": nn.ReLU() for number in range(70)}), log, level="deep")
        at(torch.randn(3, 4))
        at.recorder.close()
        found = {name.partition(".")[2] for name in at.log[0] if name.startswith("zero_share")}
        assert found == {f"a{number}" for number in range(MOST_MODULES)}

    def test_those_asked_for_are_recorded_at_any_level_inner_ones_too(self, log):
        net = Net(body=nn.Sequential(nn.Linear(4, 4), nn.ReLU()), out=nn.Sigmoid())
        at = Recording(net, log, level="light", activations=["body", "out"])(torch.randn(3, 4))
        at.recorder.close()
        found = {name.partition(".")[2] for name in at.log[0] if name.startswith("zero_share")}
        assert found == {"body", "out"}
        assert at.of("body") == same(by_hand(at.model.given["body"]))

    def test_one_asked_for_twice_or_known_by_two_paths_is_recorded_once_each(self, log):
        shared = nn.Sigmoid()
        at = Recording(Net(one=shared, other=shared), log, activations=["one", "other", "one"])(torch.randn(3, 4))
        at.recorder.close()
        assert at.of("other") == same(by_hand(at.model.given["other"], 0, 1))
        assert at.of("one") == at.of("other")

    def test_an_unknown_path_is_refused_in_one_message_and_leaves_no_hook(self, log, hooks_on):
        net = Net(conv=nn.Conv2d(1, 4, 3), act=nn.ReLU())
        optimizer = torch.optim.SGD(net.parameters())
        with pytest.raises(AttachError, match=r"'cnov', which the model does not have \(Recorder\).*act, conv"):
            Recorder(net, optimizer, log=log, level="deep", activations=["conv", "cnov"])
        assert hooks_on(net, optimizer) == 0


class TestPasses:
    def test_outputs_that_are_no_floating_point_tensors_are_left_out(self, recording):
        class Odd(nn.Module):
            def forward(self, given):
                return self.made(given)

        net = Net(index=Odd(), nothing=Odd(), text=Odd(), empty=Odd(), nested=Odd())
        kinds = (lambda x: x.argmax(-1), lambda x: None, lambda x: {"a": x}, lambda x: x[:0], lambda x: ([x], 1))
        at, given = recording(net), torch.randn(3, 4)
        for name, made in zip(net.order, kinds, strict=True):
            net.get_submodule(name).made = made
            net.get_submodule(name)(given)
        assert {name.partition(".")[2] for name in at.step()} == {"nested"}
        assert at.of("nested") == same(by_hand(given))
        assert at.log.events == []

    def test_the_last_call_counts(self, recording):
        at = recording(act=nn.ReLU())
        at.model(torch.randn(3, 4))
        at(torch.randn(7, 4) + 1)
        assert at.of("act") == same(by_hand(at.model.given["act"]))

    @pytest.mark.parametrize("way", ["eval", "no_grad"])
    def test_a_pass_that_is_not_learnt_from_does_not_count(self, recording, way):
        at = recording(act=nn.ReLU())
        at.model(torch.randn(3, 4))
        expected = by_hand(at.model.given["act"])
        with torch.set_grad_enabled(way != "no_grad"):
            at.model.train(way != "eval")(torch.ones(3, 4))
        at.step()
        assert at.of("act") == same(expected)
        assert at.step() == {}

    @pytest.mark.parametrize("use_reentrant", [True, False])
    def test_activation_checkpointing_changes_nothing(self, recording, use_reentrant):
        at = recording(linear=nn.Linear(4, 4), act=nn.ReLU())
        given = torch.randn(3, 4, requires_grad=True)
        checkpoint(at.model, given, use_reentrant=use_reentrant).sum().backward()
        at.step()
        assert at.of("act") == same(by_hand(at.model.act(at.model.linear(given))))

    def test_the_last_of_several_checkpointed_calls_counts(self, recording):
        at = recording(act=nn.Sigmoid())
        first, last = (torch.randn(3, 4, requires_grad=True) for _ in range(2))
        outputs = [checkpoint(at.model, given, use_reentrant=False) for given in (first, last)]
        torch.stack(outputs).sum().backward()
        at.step()
        assert at.of("act") == same(by_hand(last.sigmoid(), 0, 1))

    def test_what_a_hook_cannot_read_is_told_once_and_the_others_stay(self, recording):
        class Odd(nn.Module):
            def forward(self, given):
                return given.to_sparse()

        at = recording(act=nn.ReLU(), odd=Odd())
        with pytest.warns(UserWarning, match="Activations could not be recorded at iteration 0"):
            at(torch.randn(3, 4))
        for _ in range(2):
            assert at.of("act") == same(by_hand(at.model.given["act"]))
            at(torch.randn(3, 4))
        assert [event["kind"] for event in at.log.events] == ["signal-fault"]


class TestAfterwards:
    def test_no_hook_is_left_and_a_big_output_dies(self, recording, hooks_on):
        at = recording(act=nn.ReLU())
        at.model(torch.randn(3, 400, 400))
        output = weakref.ref(at.model.given["act"])
        at.model.given.clear()
        gc.collect()
        assert output() is None
        at.recorder.close()
        assert hooks_on(at.model, at.optimizer) == 0

    def test_no_hook_is_left_after_an_exception(self, log, hooks_on):
        at = Recording(Net(act=nn.ReLU()), log)

        def fails():
            with at.recorder:
                at.model(torch.randn(3, 4))
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            fails()
        assert hooks_on(at.model, at.optimizer) == 0

    @pytest.mark.parametrize("copied", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
    def test_a_copy_of_the_model_runs_unrecorded(self, recording, copied):
        at = recording(act=nn.ReLU())
        twin = copied(at.model)
        at.model(torch.randn(3, 4))
        twin(torch.ones(50, 3))
        at.step()
        assert at.of("act") == same(by_hand(at.model.given["act"]))

    def test_outputs_modes_and_the_random_state_are_the_same(self, recording):
        at, given = recording(drop=nn.Dropout(), act=nn.Tanh()), torch.randn(3, 4)
        torch.manual_seed(1)
        recorded, after = at.model(given), torch.get_rng_state()
        at.recorder.close()
        torch.manual_seed(1)
        assert torch.equal(at.model(given), recorded)
        assert torch.equal(torch.get_rng_state(), after)
        assert at.model.training


@pytest.mark.parametrize("is_packed", [False, True])
def test_nothing_waits_for_the_device(no_reading, is_packed):
    signal, given = Activations(), torch.randn(5, 9, 3)
    given = pack_padded_sequence(given, [9, 5, 5, 2, 1], batch_first=True) if is_packed else given
    net = Net(rnn=nn.GRU(3, 4, batch_first=True)) if is_packed else Net(conv=nn.Conv1d(9, 4, 1), act=nn.Sigmoid())

    with ExitStack() as stack:
        signal.attach(net, [], stack)
        with no_reading():
            net(given)
            signal.see(None)
            taken = signal.take()
    assert set(taken) == set(net.order)
