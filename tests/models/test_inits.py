import pytest
import torch
from flatline.models import build
from flatline.models.inits import chrono_init, orthogonal_init
from torch import nn


def recurrent_blocks(rnn):
    for name, weight in rnn.named_parameters():
        if "weight_hh" in name:
            yield from weight.detach().split(rnn.hidden_size)


RNNS = [
    nn.GRU(3, 8, 2, bidirectional=True),
    nn.LSTM(3, 8, bias=False),
    nn.RNN(3, 8),
    nn.GRUCell(3, 8),
    nn.LSTMCell(3, 8),
]


@pytest.mark.parametrize("rnn", RNNS, ids=lambda rnn: type(rnn).__name__)
def test_orthogonal_recurrent_weights_have_singular_values_of_one_in_each_gate(rnn):
    assert max(float(torch.linalg.svdvals(block).max() - 1) for block in recurrent_blocks(rnn)) != pytest.approx(0)
    before = {name: value.clone() for name, value in rnn.named_parameters() if "weight_hh" not in name}
    assert orthogonal_init(rnn) == 1
    for block in recurrent_blocks(rnn):
        torch.testing.assert_close(torch.linalg.svdvals(block), torch.ones(8))
        torch.testing.assert_close(block @ block.T, torch.eye(8), atol=1e-5, rtol=0)
    assert all(torch.equal(rnn.get_parameter(name), value) for name, value in before.items())


def test_an_lstm_with_a_projection_has_orthonormal_columns():
    rnn = nn.LSTM(3, 8, proj_size=4)
    orthogonal_init(rnn)
    for block in recurrent_blocks(rnn):
        torch.testing.assert_close(block.T @ block, torch.eye(4), atol=1e-5, rtol=0)


def gates(rnn, layer="_l0"):
    total = rnn.get_parameter(f"bias_ih{layer}") + rnn.get_parameter(f"bias_hh{layer}")
    return total.detach().split(rnn.hidden_size)


@pytest.mark.parametrize("layer", ["_l0", "_l1_reverse"])
def test_chrono_gives_a_gru_an_update_gate_that_remembers_up_to_the_length_of_a_clip(layer):
    rnn = nn.GRU(3, 4000, 2, bidirectional=True) if layer == "_l0" else nn.GRU(3, 40, 2, bidirectional=True)
    reset, new = (gates(rnn, layer)[place].clone() for place in (0, 2))
    assert chrono_init(rnn, 101) == 1
    frames = gates(rnn, layer)[1].exp()
    assert frames.min() >= 1
    assert frames.max() <= 100
    assert float(frames.mean()) == pytest.approx(50.5, abs=3 if layer == "_l0" else 25)
    assert torch.equal(gates(rnn, layer)[0], reset)
    assert torch.equal(gates(rnn, layer)[2], new)


def test_a_gru_that_remembers_keeps_its_state_for_longer():
    """z is the share of the past that PyTorch's GRU keeps: a bias on the wrong gate, or of the wrong sign, forgets."""

    def kept(rnn):
        begun = torch.ones(1, 1, 64)
        return float(rnn(torch.zeros(1, 20, 1), begun)[1].mean())

    rnn = nn.GRU(1, 64, batch_first=True)
    with torch.no_grad():
        for name, weight in rnn.named_parameters():
            if name.startswith("weight") or name.startswith("bias"):
                weight.zero_()
        plain = kept(rnn)
        chrono_init(rnn, 200)
        assert kept(rnn) > 0.6 > 0.01 > plain


def test_chrono_gives_an_lstm_opposite_forget_and_input_gates():
    rnn = nn.LSTM(3, 50)
    chrono_init(rnn, 20)
    entering, kept, *_ = gates(rnn)
    assert torch.equal(entering, -kept)
    assert kept.min() >= 0
    assert kept.exp().max() <= 19


def test_an_lstms_cell_is_found_too_and_what_has_no_gates_or_no_biases_is_left():
    assert chrono_init(nn.ModuleList([nn.LSTMCell(2, 3), nn.GRUCell(2, 3)]), 10) == 2
    assert chrono_init(nn.ModuleList([nn.RNN(2, 3), nn.GRU(2, 3, bias=False), nn.Linear(2, 3)]), 10) == 0
    assert orthogonal_init(build("resnet", "mean", n_classes=2, n_mels=8)) == 0


def test_clips_of_two_frames_have_nothing_to_remember():
    rnn = nn.GRU(2, 3)
    chrono_init(rnn, 2)
    assert gates(rnn)[1].tolist() == [0, 0, 0]
