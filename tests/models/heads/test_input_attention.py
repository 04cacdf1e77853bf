import math

import pytest
import torch
from flatline.models.heads import InputAttentionHead


def logistic(value: float) -> float:
    return 1 / (1 + math.exp(-value))


def by_hand(head: InputAttentionHead, hidden: torch.Tensor, inputs: torch.Tensor, length: int) -> list[float]:
    """One clip's scores, number by number: sum att * cla * loc / (sum loc + 1e-5)."""
    attention, localisation = head.attention(inputs)[:length].tolist(), head.localisation(inputs)[:length].tolist()
    frames = head.classification(hidden)[:length].tolist()
    result = []
    for label in range(len(frames[0])):
        above = below = 0.0
        for frame in range(length):
            among = localisation[frame] if head.axis == "class" else [row[label] for row in localisation]
            weight = math.exp(localisation[frame][label]) / sum(math.exp(score) for score in among)
            value = logistic(frames[frame][label]) if head.sigmoid else frames[frame][label]
            above += logistic(attention[frame][label]) * value * weight
            below += weight
        result.append(above / (below + 1e-5))
    return result


@pytest.mark.parametrize("axis", ["class", "time"])
@pytest.mark.parametrize("sigmoid", [True, False])
def test_it_is_the_seed_s_formula(axis, sigmoid, ragged_mask):
    head = InputAttentionHead(6, 5, 4, axis=axis, sigmoid=sigmoid)
    hidden, inputs = torch.randn(3, 7, 6), torch.randn(3, 7, 4)
    for mask, lengths in ((None, [7, 7, 7]), (ragged_mask, [7, 4, 1])):
        pooled = head(hidden, inputs, mask)
        for clip, length in enumerate(lengths):
            assert pooled[clip].tolist() == pytest.approx(by_hand(head, hidden[clip], inputs[clip], length), abs=1e-5)
    assert head.output == ("probabilities" if sigmoid else "logits")


@pytest.mark.parametrize("axis", ["class", "time"])
def test_junk_in_padded_frames_of_hidden_and_input_changes_nothing(axis, ragged_mask):
    """At the head alone: in a whole net convolution and RNN have seen the padding before."""
    head, hidden, inputs = InputAttentionHead(6, 5, 4, axis=axis), torch.randn(3, 7, 6), torch.randn(3, 7, 4)
    real = ragged_mask.unsqueeze(-1)
    junk = head(torch.where(real, hidden, 1e6), torch.where(real, inputs, -1e6), ragged_mask)
    assert torch.equal(junk, head(hidden, inputs, ragged_mask))


def test_an_unknown_axis_is_refused():
    with pytest.raises(ValueError, match=r"axis is 'mel' .*give class or time"):
        InputAttentionHead(6, 5, 4, axis="mel")  # type: ignore[arg-type]
