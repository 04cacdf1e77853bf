from dataclasses import replace

import pytest
import torch
from flatline.diagnostics.through_time import RnnCall, interlayer_dropout_masks, total_hidden_gradients
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

KINDS = ("tanh", "relu", "gru", "lstm", "projected")

LENGTHS = torch.tensor([4, 7, 1])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("both_ways", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_the_masks_are_those_that_the_kernel_drew(cells, kind, both_ways, dtype):
    rnn = cells.make(kind, num_layers=3, bidirectional=both_ways, dropout=0.4).to(dtype)
    inputs = torch.randn(cells.shape, dtype=dtype)
    before = torch.get_rng_state()
    output, call = cells.fused(rnn, inputs)
    after = torch.get_rng_state()
    masks = interlayer_dropout_masks(rnn, before, cells.shape[1], cells.shape[0])
    assert torch.equal(after, torch.get_rng_state())
    assert [mask.dtype for mask in masks] == [dtype, dtype]
    expected = cells.reference(rnn, inputs, masks=masks)
    torch.testing.assert_close(output, expected.output, atol=2e-6, rtol=0)
    got = total_hidden_gradients(rnn, replace(call, dropout_masks=masks))
    for name, total in expected.totals.items():
        largest = total.abs().max()
        assert (got.totals[name] - total).abs().max() <= (1e-6 if dtype == torch.float32 else 1e-10) * largest


@pytest.mark.parametrize("enforce_sorted", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_so_are_those_of_a_packed_sequence(cells, kind, enforce_sorted):
    rnn = cells.make(kind, num_layers=3, bidirectional=True, dropout=0.4)
    lengths = LENGTHS.sort(descending=True).values if enforce_sorted else LENGTHS
    inputs = torch.randn(cells.shape)
    packed = pack_padded_sequence(inputs, lengths, batch_first=True, enforce_sorted=enforce_sorted)
    before = torch.get_rng_state()
    output = pad_packed_sequence(rnn(packed)[0], batch_first=True)[0].detach()
    unread = packed._replace(data=packed.data.to("meta"))
    masks = interlayer_dropout_masks(rnn, before, cells.shape[1], cells.shape[0], unread)
    expected = cells.reference(rnn, inputs, lengths, masks=masks)
    torch.testing.assert_close(output, expected.output, atol=2e-6, rtol=0)


def test_the_layout_is_the_kernels_whatever_comes_first(cells):
    rnn = cells.make("gru", num_layers=2, dropout=0.4)
    state = torch.get_rng_state()
    first = interlayer_dropout_masks(rnn, state, 7, 3)
    rnn.batch_first = False
    assert torch.equal(first[0], interlayer_dropout_masks(rnn, state, 7, 3)[0])
    assert first[0].shape == (3, 7, 5)


@pytest.mark.parametrize("kind", ["gru", "lstm"])
@pytest.mark.parametrize("threads", [1, 2])
def test_a_batch_large_enough_for_several_threads_is_drawn_alike(kind, threads):
    """Fused layers one by one with the mask between them give what the whole module gave."""
    rnn = getattr(torch.nn, kind.upper())(4, 64, 2, batch_first=True, bidirectional=True, dropout=0.3)
    inputs, before = torch.randn(16, 100, 4), torch.get_rng_state()
    torch.set_num_threads(threads)  # put back by diagnostics' conftest
    output = rnn(inputs)[0].detach()
    (mask,) = interlayer_dropout_masks(rnn, before, 100, 16)
    layers = [torch.nn.GRU, torch.nn.LSTM][kind == "lstm"]
    below, above = (
        layers(4, 64, batch_first=True, bidirectional=True),
        layers(128, 64, batch_first=True, bidirectional=True),
    )
    for layer, alone in enumerate((below, above)):
        alone.load_state_dict(
            {name: getattr(rnn, name.replace("l0", f"l{layer}")) for name, _ in alone.named_parameters()}
        )
    with torch.no_grad():
        torch.testing.assert_close(output, above(below(inputs)[0] * mask)[0], atol=1e-6, rtol=0)


def test_where_everything_is_dropped_nothing_is_drawn(cells):
    rnn = cells.make("gru", num_layers=2, dropout=1.0)
    inputs, before = torch.randn(cells.shape), torch.get_rng_state()
    output, _ = cells.fused(rnn, inputs)
    assert torch.equal(before, torch.get_rng_state())
    masks = interlayer_dropout_masks(rnn, before, 7, 3)
    torch.testing.assert_close(output, cells.reference(rnn, inputs, masks=masks).output)


@pytest.mark.parametrize(("n_layers", "p", "training"), [(2, 0.4, False), (2, 0.0, True), (1, 0.0, True)])
def test_where_nothing_is_dropped_there_are_no_masks(cells, n_layers, p, training):
    rnn = cells.make("lstm", num_layers=n_layers, dropout=p).train(training)
    assert interlayer_dropout_masks(rnn, torch.get_rng_state(), 7, 3) is None


def test_a_device_that_draws_its_own_gives_no_masks(cells):
    rnn = cells.make("lstm", num_layers=2, dropout=0.5).to("meta")
    assert interlayer_dropout_masks(rnn, torch.get_rng_state(), 7, 3) is None


def test_some_clips_of_a_batch_take_their_part_of_the_masks(cells):
    rnn = cells.make("gru", num_layers=2, dropout=0.4)
    inputs, before = torch.randn(cells.shape), torch.get_rng_state()
    _, call = cells.fused(rnn, inputs, loss=lambda output, h_n, c_n: output.sin().sum())
    masks = interlayer_dropout_masks(rnn, before, 7, 3)
    whole = total_hidden_gradients(rnn, replace(call, dropout_masks=masks)).totals["l0"]
    part = RnnCall(inputs[1:], call.output_gradient[1:], dropout_masks=[mask[1:] for mask in masks])
    torch.testing.assert_close(total_hidden_gradients(rnn, part).totals["l0"], whole[1:])
