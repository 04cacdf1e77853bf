import pytest
import torch
from flatline.diagnostics.through_time import gate_openness
from torch import nn


def by_hand(rnn, suffix, inputs):
    """Mean of each gate of one layer and direction, frame by frame, and the layer's outputs."""
    kinds = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    w, v, b, d = (getattr(rnn, f"{kind}_{suffix}").detach() for kind in kinds)
    h = inputs.new_zeros(len(inputs), rnn.hidden_size)
    c, gates, outputs = h, [], []
    frames = range(inputs.shape[1])
    for t in reversed(frames) if suffix.endswith("reverse") else frames:
        x = inputs[:, t] @ w.T + b
        y = h @ v.T + d
        if isinstance(rnn, nn.GRU):
            (xr, xz, xn), (yr, yz, yn) = x.chunk(3, 1), y.chunk(3, 1)
            r, z = (xr + yr).sigmoid(), (xz + yz).sigmoid()
            h = (1 - z) * (xn + r * yn).tanh() + z * h
            gates.append(torch.stack([r.mean(), z.mean()]))
        else:
            i, f, g, o = (x + y).chunk(4, 1)
            c = f.sigmoid() * c + i.sigmoid() * g.tanh()
            h = o.sigmoid() * c.tanh()
            gates.append(torch.stack([i.sigmoid().mean(), f.sigmoid().mean(), o.sigmoid().mean()]))
        outputs.append(h)
    outputs = outputs[::-1] if suffix.endswith("reverse") else outputs
    return torch.stack(gates).mean(dim=0), torch.stack(outputs, dim=1)


@pytest.mark.parametrize(("kind", "letters"), [(nn.GRU, "rz"), (nn.LSTM, "ifo")])
def test_each_gate_s_mean_equals_a_loop_over_frames(kind, letters):
    rnn = kind(3, 4, num_layers=2, bidirectional=True, batch_first=True)
    inputs = torch.randn(2, 7, 3)
    found = gate_openness(rnn, inputs)
    for layer in range(2):
        outputs = []
        for way in ("", "_reverse"):
            expected, states = by_hand(rnn, f"l{layer}{way}", inputs)
            outputs.append(states)
            values = [float(found[f"l{layer}{way}/{letter}"]) for letter in letters]
            assert values == pytest.approx(expected.tolist(), abs=1e-6)
        inputs = torch.cat(outputs, dim=2)
    assert len(found) == 4 * len(letters)


def test_a_network_without_gates_has_none():
    assert gate_openness(nn.RNN(3, 4), torch.randn(1, 5, 3)) == {}


def test_a_gate_that_a_bias_holds_shut_is_shut():
    rnn = nn.GRU(3, 4, batch_first=True)
    with torch.no_grad():
        rnn.bias_ih_l0[4:8] = -50.0
    assert float(gate_openness(rnn, torch.randn(1, 5, 3))["l0/z"]) == pytest.approx(0, abs=1e-12)
