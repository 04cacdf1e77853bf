import copy
from dataclasses import fields, replace
from itertools import product

import pytest
import torch
from flatline.diagnostics.through_time import RnnCall, total_hidden_gradients, weights
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode

KINDS = ("tanh", "relu", "gru", "lstm", "projected")

TOLERANCE = {torch.float32: 1e-6, torch.float64: 1e-10}
"""Of the largest entry."""

LENGTHS = torch.tensor([4, 7, 1])


def assert_same(got, expected, dtype):
    assert got.keys() == expected.keys()
    for name, tensor in expected.items():
        assert got[name].shape == tensor.shape
        assert got[name].dtype == dtype
        assert (got[name] - tensor).abs().max() <= TOLERANCE[dtype] * tensor.abs().max(), name


def initial_of(rnn, cells, dtype):
    n_states, n_clips = rnn.num_layers * (1 + rnn.bidirectional), cells.shape[0]
    return tuple(torch.randn(n_states, n_clips, size, dtype=dtype) for size in (rnn.proj_size or 5, 5))


def check(cells, rnn, dtype, lengths=None, with_initial=False):
    """Totals and direct terms of a module against loops of cells, after their outputs."""
    rnn = rnn.to(dtype)
    inputs = torch.randn(cells.shape, dtype=dtype)
    initial = initial_of(rnn, cells, dtype) if with_initial else None
    output, call = cells.fused(rnn, inputs, lengths, initial)
    expected = cells.reference(rnn, inputs, lengths, initial)
    torch.testing.assert_close(output, expected.output, atol=2e-6, rtol=0)
    got = total_hidden_gradients(rnn, call)
    assert_same(got.totals, expected.totals, dtype)
    assert_same(got.direct, expected.direct, dtype)


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize(("kind", "n_layers", "both_ways"), list(product(KINDS, (1, 3), (False, True))))
class TestAgainstLoopsOfCells:
    def test_every_hidden_state_has_autograds_gradient(self, cells, kind, n_layers, both_ways, dtype):
        check(cells, cells.make(kind, num_layers=n_layers, bidirectional=both_ways), dtype)

    def test_without_biases_too(self, cells, kind, n_layers, both_ways, dtype):
        check(cells, cells.make(kind, num_layers=n_layers, bidirectional=both_ways, bias=False), dtype)

    def test_with_initial_states_too(self, cells, kind, n_layers, both_ways, dtype):
        check(cells, cells.make(kind, num_layers=n_layers, bidirectional=both_ways), dtype, with_initial=True)

    def test_with_packed_sequences_too(self, cells, kind, n_layers, both_ways, dtype):
        rnn = cells.make(kind, num_layers=n_layers, bidirectional=both_ways)
        check(cells, rnn, dtype, lengths=LENGTHS, with_initial=True)


@pytest.mark.parametrize("kind", KINDS)
def test_the_direct_term_of_the_top_layer_is_what_a_hook_on_the_fused_output_sees(cells, kind):
    rnn = cells.make(kind, num_layers=2, bidirectional=True)
    inputs, seen = torch.randn(cells.shape), []
    output = rnn(inputs)[0]
    output.register_hook(seen.append)
    output.square().sum().backward()
    _, call = cells.fused(rnn, inputs, loss=lambda output, h_n, c_n: output.square().sum())
    direct = total_hidden_gradients(rnn, call).direct
    assert torch.equal(torch.cat([direct["l1"], direct["l1_reverse"]], dim=-1), seen[0])


@pytest.mark.parametrize("kind", KINDS)
def test_a_loss_on_the_last_frame_reaches_earlier_ones_through_the_recurrence_only(cells, kind):
    rnn = cells.make(kind)
    _, call = cells.fused(rnn, torch.randn(cells.shape), loss=lambda output, h_n, c_n: output[:, -1].sum())
    got = total_hidden_gradients(rnn, call)
    assert not got.direct["l0"][:, :-1].any()
    assert got.totals["l0"].abs().sum(-1).all()


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_on_padding_counts_not_even_what_is_no_number(cells, kind):
    rnn = cells.make(kind, num_layers=2, bidirectional=True)
    inputs = torch.randn(cells.shape)
    _, call = cells.fused(rnn, inputs, LENGTHS)
    padding = torch.arange(cells.shape[1]) >= LENGTHS.unsqueeze(1)
    spoilt = [x.clone().masked_fill_(padding.unsqueeze(2), torch.nan) for x in (inputs, call.output_gradient)]
    clean = total_hidden_gradients(rnn, call)
    got = total_hidden_gradients(rnn, replace(call, inputs=spoilt[0], output_gradient=spoilt[1]))
    for of_clean, of_spoilt in ((clean.totals, got.totals), (clean.direct, got.direct)):
        for name, values in of_clean.items():
            assert torch.equal(values, of_spoilt[name])
            assert not values[padding].any()


@pytest.mark.parametrize("kind", KINDS)
def test_dropout_between_layers_counts_by_its_masks(cells, kind):
    rnn = cells.make(kind, num_layers=3, bidirectional=True)
    inputs = torch.randn(cells.shape)
    size = 2 * (rnn.proj_size or cells.hidden)
    masks = [None, torch.randint(0, 2, (*cells.shape[:2], size)) * 2.0]
    expected = cells.reference(rnn, inputs, masks=masks)
    output = expected.output.requires_grad_()
    loss = lambda output, h_n, c_n: output.sin().sum()  # noqa: E731 - one line, twice
    expected = cells.reference(rnn, inputs, masks=masks, loss=loss)
    _, call = cells.fused(rnn, inputs)
    (gradient,) = torch.autograd.grad(loss(output, None, None), output)
    without_finals = replace(call, output_gradient=gradient, final_gradient=None, final_cell_gradient=None)
    got = total_hidden_gradients(rnn, replace(without_finals, dropout_masks=masks))
    assert_same(got.totals, expected.totals, torch.float32)
    assert_same(got.direct, expected.direct, torch.float32)


def snapshot(call):
    """Every tensor of a call, copied."""
    return {field.name: copy.deepcopy(getattr(call, field.name)) for field in fields(call)}


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_else_is_changed(cells, kind):
    rnn = cells.make(kind, num_layers=2, bidirectional=True, dropout=0.5)
    called = []
    rnn.register_forward_hook(lambda *_: called.append(1))
    initial = initial_of(rnn, cells, torch.float32)
    _, call = cells.fused(rnn, torch.randn(cells.shape), LENGTHS, initial)
    called.clear()
    before, state, random = snapshot(call), copy.deepcopy(rnn.state_dict()), torch.get_rng_state()
    own = {name: value for name, value in vars(rnn).items() if not name.startswith("_")}
    parameters = dict(rnn.named_parameters())
    got = total_hidden_gradients(rnn, call)
    assert torch.equal(random, torch.get_rng_state())
    assert called == []
    assert {name: value for name, value in vars(rnn).items() if not name.startswith("_")} == own
    assert all(parameter is parameters[name] and parameter.grad is None for name, parameter in rnn.named_parameters())
    torch.testing.assert_close(dict(rnn.state_dict()), dict(state), rtol=0, atol=0)
    torch.testing.assert_close(snapshot(call), before, rtol=0, atol=0)
    assert not any(tensor.requires_grad for tensor in (*got.totals.values(), *got.direct.values()))


class NoWaiting(TorchDispatchMode):
    """Raises on operations that need a tensor's values on the host."""

    WAITS = ("_local_scalar_dense", "nonzero", "masked_select", "is_nonzero", "equal", "unique")

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.overloadpacket.__name__
        if name in self.WAITS or (name == "index" and any(i is not None and i.dtype == torch.bool for i in args[1])):
            raise AssertionError(f"{func} waits for the device")
        return func(*args, **(kwargs or {}))


def test_the_guard_against_waiting_sees_a_wait():
    with pytest.raises(AssertionError, match="waits"), NoWaiting():
        torch.ones(2)[torch.tensor([True, False])]


@pytest.mark.parametrize("kind", KINDS)
def test_the_host_never_waits_for_the_device(cells, kind, monkeypatch):
    rnn = cells.make(kind, num_layers=2, bidirectional=True)
    _, call = cells.fused(rnn, torch.randn(cells.shape), LENGTHS, initial_of(rnn, cells, torch.float32))

    def waits(*_):
        raise AssertionError("waits for the device")

    for name in ("item", "tolist", "numpy", "cpu", "__bool__", "__float__", "__int__"):
        monkeypatch.setattr(torch.Tensor, name, waits)
    with NoWaiting():
        total_hidden_gradients(rnn, call)


@pytest.mark.parametrize("kind", KINDS)
def test_it_runs_on_the_weights_device_even_on_one_without_values(cells, kind):
    """The meta device refuses whatever needs a value on the host, or a tensor from elsewhere."""
    rnn = cells.make(kind, num_layers=2, bidirectional=True)
    _, call = cells.fused(rnn, torch.randn(cells.shape), LENGTHS, initial_of(rnn, cells, torch.float32))
    on_meta = {
        name: pytree.tree_map(lambda x: None if x is None else x.to("meta"), given)
        for name, given in snapshot(call).items()
    }
    got = total_hidden_gradients(rnn.to("meta"), RnnCall(**{**on_meta, "lengths": LENGTHS}))
    assert all(tensor.device.type == "meta" for tensor in (*got.totals.values(), *got.direct.values()))


def test_under_autocast_and_from_half_precision_it_runs_in_the_weights_dtype(cells):
    rnn = cells.make("gru", bidirectional=True)
    _, call = cells.fused(rnn, torch.randn(cells.shape))
    plain = total_hidden_gradients(rnn, call)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        got = total_hidden_gradients(rnn, call)
        halves = replace(call, inputs=call.inputs.bfloat16(), output_gradient=call.output_gradient.bfloat16())
        rounded = total_hidden_gradients(rnn, halves)
    assert torch.equal(got.totals["l0"], plain.totals["l0"])
    assert rounded.totals["l0"].dtype == torch.float32
    torch.testing.assert_close(rounded.totals["l0"], plain.totals["l0"], atol=0.05, rtol=0.05)


@pytest.mark.parametrize("kind", KINDS)
def test_frames_worked_on_in_pieces_give_what_they_give_at_once(cells, kind, monkeypatch):
    rnn = cells.make(kind, num_layers=2, bidirectional=True).double()
    inputs = torch.randn(cells.shape, dtype=torch.float64)
    _, call = cells.fused(rnn, inputs, LENGTHS, initial_of(rnn, cells, torch.float64))
    at_once = total_hidden_gradients(rnn, call)
    for n_frames in (1, 3, 7):
        monkeypatch.setattr(weights, "PIECE", n_frames)
        assert_same(total_hidden_gradients(rnn, call).totals, at_once.totals, torch.float64)


@pytest.mark.parametrize("kind", KINDS)
def test_long_clips_agree_with_autograd_through_the_fused_kernel(cells, kind):
    """The whole of dL/dh_0 is the total of an earlier call's last frame: cut the clips in two and compare."""
    rnn, cut = cells.make(kind).double(), 150
    inputs = torch.randn(2, 400, cells.shape[2], dtype=torch.float64)
    whole = rnn(inputs)[0]
    loss_weights = torch.randn_like(whole)
    totals = total_hidden_gradients(rnn, RnnCall(inputs, loss_weights)).totals["l0"]
    _, states = rnn(inputs[:, :cut])
    later = [state.detach().requires_grad_() for state in (states if kind in ("lstm", "projected") else (states,))]
    output = rnn(inputs[:, cut:], tuple(later) if len(later) == 2 else later[0])[0]
    (through_later,) = torch.autograd.grad((output * loss_weights[:, cut:]).sum(), later[:1])
    expected = through_later[0] + loss_weights[:, cut - 1]
    torch.testing.assert_close(totals[:, cut - 1], expected, rtol=0, atol=1e-10)
