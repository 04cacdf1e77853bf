"""Spread, scale and finiteness of what a model is given, against numpy by hand."""

import copy
from contextlib import ExitStack

import numpy as np
import pytest
import torch
from flatline.diagnostics.readback import on_host
from flatline.diagnostics.recorder import Recorder
from flatline.diagnostics.signals import Batch, inputs
from flatline.diagnostics.signals.inputs import CLIPS, SAMPLED, InputHealth
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence
from torch.utils.checkpoint import checkpoint

NAMES = ("input_spread", "input_scale", "nonfinite_inputs")


class Net(nn.Module):
    """Takes anything and gives a scalar of its own."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))

    def forward(self, *args, **kwargs):
        return self.weight.sum()


@pytest.fixture
def measured():
    """What an iteration records of one call of a model."""

    def measure(*args, net=None, **kwargs):
        signal, net = InputHealth(), net or Net()
        with ExitStack() as stack:
            signal.attach(net, [], stack)
            net(*args, **kwargs)
            taken = signal.take()
            assert signal.take() == {}
        values = signal.collect(Batch(0, None, None, None, None), on_host(taken))
        return {name: values[name] for name in values}

    return measure


def by_hand(values):
    values = np.asarray(values, dtype=np.float64)
    return {
        "input_spread": values.reshape(len(values), -1).std(axis=0).mean(),
        "input_scale": np.sqrt((values**2).mean()),
        "nonfinite_inputs": 0.0,
    }


@pytest.mark.parametrize("shape", [(2, 3), (8, 10, 6), (4, 1, 5, 7), (16, 256)])
def test_spread_and_scale_are_those_of_numpy(shape, measured):
    clips = 3 + 2 * torch.randn(shape)
    assert measured(clips) == pytest.approx(by_hand(clips), rel=1e-4)


@pytest.mark.parametrize("kind", [torch.int64, torch.uint8, torch.float64, torch.float16, torch.bool])
def test_numbers_of_any_kind_are_numbers(kind, measured):
    clips = (torch.rand(6, 9) * 2).to(kind)
    assert measured(clips) == pytest.approx(by_hand(clips.double()), rel=1e-3)


def test_constant_inputs_have_no_spread_to_the_last_bit_and_a_scale(measured):
    clips = torch.randn(1, 10, 6).expand(8, 10, 6) * 1e3
    values = measured(clips)
    assert values["input_spread"] == 0
    assert values["input_scale"] > 100


def test_what_is_large_is_looked_at_in_part(measured):
    clips = torch.randn(100, 50_000)
    assert measured(clips) == pytest.approx(by_hand(clips), rel=0.05)
    of_a_few = clips.clone()
    step = -(-100 // CLIPS)
    of_a_few[[row for row in range(100) if row % step]] = 1e6
    assert measured(of_a_few)["input_scale"] == pytest.approx(1, rel=0.05)
    assert SAMPLED // CLIPS < 50_000


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_one_value_that_is_not_finite_is_seen_wherever_it_stands(value, measured):
    clips = torch.zeros(100, 50_000)
    clips[99, 49_999] = value
    assert measured(clips)["nonfinite_inputs"] == 1


@pytest.mark.parametrize("wrap", [lambda clips: {"mask": None, "inputs": clips}, lambda clips: [(clips,), 3]])
def test_the_first_tensor_is_found_in_dicts_and_tuples(wrap, measured):
    clips = torch.randn(8, 5)
    assert measured(wrap(clips)) == pytest.approx(by_hand(clips), rel=1e-4)


def test_arguments_by_name_count_after_those_by_place(measured):
    first, second = torch.randn(8, 5), torch.full((8, 5), 9.0)
    assert measured(clips=first, mask=second) == pytest.approx(by_hand(first), rel=1e-4)
    assert measured(first, clips=second) == pytest.approx(by_hand(first), rel=1e-4)


def test_a_packed_sequence_has_a_scale_and_no_spread(measured):
    packed = pack_padded_sequence(torch.full((3, 4, 2), 5.0), torch.tensor([4, 3, 1]), batch_first=True)
    values = measured(packed)
    assert np.isnan(values["input_spread"])
    assert (values["input_scale"], values["nonfinite_inputs"]) == (5, 0)


@pytest.mark.parametrize("clips", [torch.ones(1, 6), torch.ones(6)], ids=["one clip", "one dimension"])
def test_one_clip_has_no_spread(clips, measured):
    values = measured(clips)
    assert np.isnan(values["input_spread"])
    assert values["input_scale"] == 1


@pytest.mark.parametrize(
    "given", [(), (3, "text", None), (torch.empty(0, 4),)], ids=["nothing", "no tensor", "no clip"]
)
def test_without_a_tensor_nothing_is_recorded(given, measured):
    assert measured(*given) == {}


def test_passes_that_are_not_learnt_from_do_not_count(measured):
    net = Net().eval()
    assert measured(torch.ones(4, 2), net=net) == {}
    with torch.no_grad():
        assert measured(torch.ones(4, 2), net=Net()) == {}


def test_a_pass_that_is_made_again_for_checkpointing_is_not_measured_again(net, log, monkeypatch):
    measure, seen = inputs._measure, []
    monkeypatch.setattr(inputs, "_measure", lambda given: seen.append(given) or measure(given))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    clips, passes = torch.randn(8, 10, 6), []
    net.gru.register_forward_pre_hook(lambda module, given: passes.append(1))
    with Recorder(net, optimizer, log=log, level="inputs") as recorder:
        checkpoint(net, clips, use_reentrant=False).sum().backward()
        optimizer.step()
        recorder.step(loss=0.0)
    assert (len(passes), len(seen)) == (2, 1)
    assert log[0]["input_scale"] == pytest.approx(by_hand(clips)["input_scale"], rel=1e-4)


def test_of_several_passes_in_an_iteration_the_last_counts(measured):
    signal, net = InputHealth(), Net()
    first, second = torch.randn(8, 5), 7 * torch.randn(8, 5)
    with ExitStack() as stack:
        signal.attach(net, [], stack)
        net(first), net(second)
    assert signal.take()["inputs"][1].item() == pytest.approx(by_hand(second)["input_scale"], rel=1e-4)


def test_an_iteration_without_a_pass_has_none_and_not_that_of_before(net, log):
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    with Recorder(net, optimizer, log=log, level="inputs") as recorder:
        for clips in (torch.randn(8, 10, 6), None):
            if clips is not None:
                net(clips).sum().backward()
            optimizer.step()
            recorder.step(loss=0.0)
    assert np.isfinite(log[0]["input_spread"])
    assert not any(name in log[1] and np.isfinite(log[1][name]) for name in NAMES)


def test_nothing_is_left_behind_and_nothing_that_is_trained_changes(net, batch, log, hooks_on, train_step):
    other = copy.deepcopy(net)
    optimizer, beside = (torch.optim.SGD(model.parameters(), lr=0.1) for model in (net, other))
    before = batch.clips.clone()
    with Recorder(net, optimizer, log=log, level="inputs") as recorder:
        train_step(net, optimizer, batch, recorder)
        assert hooks_on(net) > 0
    train_step(other, beside, batch)
    assert hooks_on(net, optimizer) == 0
    assert torch.equal(batch.clips, before)
    for one, two in zip(net.parameters(), other.parameters(), strict=True):
        assert torch.equal(one, two)
    assert not batch.clips.requires_grad


def test_what_is_given_is_not_waited_for(measured, no_reading):
    signal = InputHealth()
    with no_reading():
        signal._look(Net(), (torch.randn(8, 5),), {})
    assert signal.take()["inputs"].shape == (3,)


def test_a_fault_in_the_hook_is_told_and_does_not_end_the_pass(net, log, monkeypatch):
    def broken(given):
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr(inputs, "_measure", broken)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    with Recorder(net, optimizer, log=log, level="inputs") as recorder:
        net(torch.randn(8, 10, 6)).sum().backward()
        optimizer.step()
        with pytest.warns(UserWarning, match="InputHealth could not be recorded at iteration 0 .*a fault of ours"):
            recorder.step(loss=0.0)
    assert len(log) == 1
