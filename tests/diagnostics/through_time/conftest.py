"""A slow, obvious reference: cells by hand, clip by clip and frame by frame, under autograd."""

from types import SimpleNamespace

import pytest
import torch
from flatline.diagnostics.through_time import RnnCall
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

N_CLIPS, N_FRAMES, N_FEATURES, HIDDEN = 3, 7, 4, 5

KINDS = {
    "tanh": (nn.RNN, {}),
    "relu": (nn.RNN, {"nonlinearity": "relu"}),
    "gru": (nn.GRU, {}),
    "lstm": (nn.LSTM, {}),
    "projected": (nn.LSTM, {"proj_size": 2}),
}


def make(kind, **options):
    """A module of a kind, batch first, with weights large enough for states that matter."""
    module, own = KINDS[kind]
    rnn = module(N_FEATURES, HIDDEN, batch_first=True, **own, **options)
    with torch.no_grad():
        for parameter in rnn.parameters():
            parameter.mul_(1.5)
    return rnn


def cell(rnn, suffix, x, h, c):
    """One step of PyTorch's documented formulas; c is None but in an LSTM."""
    w_ih, w_hh = getattr(rnn, f"weight_ih_{suffix}"), getattr(rnn, f"weight_hh_{suffix}")
    of_x, of_h = w_ih @ x, w_hh @ h
    if rnn.bias:
        of_x, of_h = of_x + getattr(rnn, f"bias_ih_{suffix}"), of_h + getattr(rnn, f"bias_hh_{suffix}")
    if rnn.mode == "LSTM":
        i, f, g, o = (of_x + of_h).chunk(4)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        h = o.sigmoid() * c.tanh()
        return (getattr(rnn, f"weight_hr_{suffix}") @ h if rnn.proj_size else h), c
    if rnn.mode == "GRU":
        (x_r, x_z, x_n), (h_r, h_z, h_n) = of_x.chunk(3), of_h.chunk(3)
        r, z = (x_r + h_r).sigmoid(), (x_z + h_z).sigmoid()
        return (1 - z) * (x_n + r * h_n).tanh() + z * h, None
    return (of_x + of_h).tanh() if rnn.mode == "RNN_TANH" else (of_x + of_h).relu(), None


def states_of(rnn):
    """Suffixes of all layers and directions in the order of h_n."""
    ends = ("", "_reverse") if rnn.bidirectional else ("",)
    return [f"l{layer}{end}" for layer in range(rnn.num_layers) for end in ends]


def loops(rnn, inputs, lengths, initial, masks):
    """Output, h_n, c_n, and by suffix all h_t and the copies of them that leave the recurrence, (clip, frame) lists."""
    out = rnn.proj_size or HIDDEN
    h0, c0 = initial or (torch.zeros(8, N_CLIPS, out), torch.zeros(8, N_CLIPS, HIDDEN))
    h0, c0 = h0.to(inputs.dtype), c0.to(inputs.dtype)
    names = states_of(rnn)
    inside, outside, last, last_cell = ({name: [] for name in names} for _ in range(4))
    outputs = []
    for clip, length in enumerate(lengths.tolist()):
        x = list(inputs[clip, :length])
        for layer in range(rnn.num_layers):
            here = [name for name in names if name.startswith(f"l{layer}")]
            for name in here:
                h, c = h0[names.index(name), clip], c0[names.index(name), clip]
                h_t, copy_t = {}, {}
                for t in reversed(range(length)) if name.endswith("reverse") else range(length):
                    h, c = cell(rnn, name, x[t], h, c)
                    h_t[t], copy_t[t] = h, h.clone()
                    h_t[t].retain_grad()
                    copy_t[t].retain_grad()
                inside[name].append(h_t)
                outside[name].append(copy_t)
                last[name].append(copy_t[0 if name.endswith("reverse") else length - 1])
                last_cell[name].append(c)
            x = [torch.cat([outside[name][clip][t] for name in here]) for t in range(length)]
            if masks is not None and layer < rnn.num_layers - 1 and masks[layer] is not None:
                x = [value * masks[layer][clip, t] for t, value in enumerate(x)]
        outputs.append(torch.stack(x + [torch.zeros_like(x[0])] * (N_FRAMES - length)))
    h_n = torch.stack([torch.stack(last[name]) for name in names])
    c_n = torch.stack([torch.stack(last_cell[name]) for name in names]) if rnn.mode == "LSTM" else None
    return torch.stack(outputs), h_n, c_n, inside, outside


def loss_of(output, h_n, c_n):
    """A fixed random function of all that an RNN gives."""
    generator = torch.Generator().manual_seed(7)
    given = [output, h_n] if c_n is None else [output, h_n, c_n]
    weights = [torch.randn(x.shape, generator=generator, dtype=torch.float64).to(x.dtype) for x in given]
    return sum(((x * 2).sin() * weight).sum() for x, weight in zip(given, weights, strict=True))


def gradients(by_clip, size, dtype):
    """(clip, frame, out) of what autograd kept, 0 on padding."""
    kept = torch.zeros(N_CLIPS, N_FRAMES, size, dtype=dtype)
    for clip, at in enumerate(by_clip):
        for t, h in at.items():
            kept[clip, t] = 0 if h.grad is None else h.grad
    return kept


def reference(rnn, inputs, lengths=None, initial=None, masks=None, loss=loss_of):
    """`.output`, and `.totals` and `.direct` by suffix, from loops of cells."""
    lengths = torch.full((N_CLIPS,), N_FRAMES) if lengths is None else lengths
    output, h_n, c_n, inside, outside = loops(rnn, inputs, lengths, initial, masks)
    loss(output, h_n, c_n).backward()
    rnn.zero_grad()
    size = rnn.proj_size or HIDDEN
    totals, direct = (
        {name: gradients(clips, size, inputs.dtype) for name, clips in kept.items()} for kept in (inside, outside)
    )
    return SimpleNamespace(output=output.detach(), totals=totals, direct=direct)


def fused(rnn, inputs, lengths=None, initial=None, loss=loss_of):
    """The module's own output and the RnnCall of the loss on it; masks are not in it."""
    given = initial if initial is None or rnn.mode == "LSTM" else initial[0]
    called = inputs
    if lengths is not None:
        called = pack_padded_sequence(inputs, lengths, batch_first=True, enforce_sorted=False)
    output, states = rnn(called) if given is None else rnn(called, given)
    if lengths is not None:
        output = pad_packed_sequence(output, batch_first=True, total_length=N_FRAMES)[0]
    h_n, c_n = states if rnn.mode == "LSTM" else (states, None)
    leaves = [output, h_n] if c_n is None else [output, h_n, c_n]
    back = torch.autograd.grad(loss(output, h_n, c_n), leaves, allow_unused=True)
    return output.detach(), RnnCall(inputs, back[0], lengths, given, *back[1:])


@pytest.fixture
def cells():
    """The reference and all it is made from."""
    return SimpleNamespace(
        KINDS=KINDS, make=make, reference=reference, fused=fused, shape=(N_CLIPS, N_FRAMES, N_FEATURES), hidden=HIDDEN
    )
