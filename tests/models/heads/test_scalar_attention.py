import math

import pytest
import torch
from flatline.models.heads import ScalarAttentionHead


def logistic(value: float) -> float:
    return 1 / (1 + math.exp(-value))


def by_hand(head: ScalarAttentionHead, hidden: torch.Tensor, inputs: torch.Tensor, length: int) -> list[float]:
    """One clip's scores, number by number: sum o * loc * att / sum loc, one att a frame."""
    attention, localisation = head.attention(inputs)[:length].tolist(), head.localisation(inputs)[:length].tolist()
    frames = head.classification(hidden)[:length].tolist()
    result = []
    for label in range(len(frames[0])):
        above = below = 0.0
        for frame in range(length):
            weight = math.exp(localisation[frame][label]) / sum(math.exp(score) for score in localisation[frame])
            above += logistic(frames[frame][label]) * weight * logistic(attention[frame][0])
            below += weight
        result.append(above / (below + 1e-7))
    return result


def test_it_is_the_formula_of_1703_06052(ragged_mask):
    head = ScalarAttentionHead(6, 5, 4)
    hidden, inputs = torch.randn(3, 7, 6), torch.randn(3, 7, 4)
    for mask, lengths in ((None, [7, 7, 7]), (ragged_mask, [7, 4, 1])):
        pooled = head(hidden, inputs, mask)
        for clip, length in enumerate(lengths):
            assert pooled[clip].tolist() == pytest.approx(by_hand(head, hidden[clip], inputs[clip], length), abs=1e-5)


def test_the_gate_multiplies_the_convolution_s_frames():
    head = ScalarAttentionHead(6, 5, 4)
    features, inputs = torch.randn(3, 7, 6), torch.randn(3, 7, 4)
    gated = head.gate(features, inputs)
    for frame in range(7):
        factor = logistic(head.attention(inputs[1, frame]).item())
        assert torch.allclose(gated[1, frame], features[1, frame] * factor, atol=1e-6)


def test_junk_in_padded_frames_of_hidden_and_input_changes_nothing(ragged_mask):
    """At the head alone: in a whole net convolution and RNN have seen the padding before."""
    head, hidden, inputs = ScalarAttentionHead(6, 5, 4), torch.randn(3, 7, 6), torch.randn(3, 7, 4)
    real = ragged_mask.unsqueeze(-1)
    junk = head(torch.where(real, hidden, 1e6), torch.where(real, inputs, -1e6), ragged_mask)
    assert torch.equal(junk, head(hidden, inputs, ragged_mask))
