import math

import pytest
import torch
from flatline.models.heads import LocalisationHead
from flatline.models.heads.localisation import localisation_weights


def by_hand(head: LocalisationHead, hidden: torch.Tensor, length: int) -> list[float]:
    """One clip's scores, number by number."""
    scores = head.localisation(hidden)[:length].tolist()
    frames = head.classification(hidden)[:length].tolist()
    n_classes = len(scores[0])
    result = []
    for label in range(n_classes):
        above = below = 0.0
        for frame in range(length):
            among = scores[frame] if head.axis == "class" else [row[label] for row in scores]
            weight = math.exp(scores[frame][label]) / sum(math.exp(score) for score in among)
            value = frames[frame][label]
            above += weight * (1 / (1 + math.exp(-value)) if head.sigmoid else value)
            below += weight
        result.append(above / (below + 1e-7))
    return result


@pytest.mark.parametrize("axis", ["class", "time"])
@pytest.mark.parametrize("sigmoid", [True, False])
def test_it_is_the_weighted_mean_of_the_paper(axis, sigmoid, ragged_mask):
    head = LocalisationHead(6, 5, 4, axis=axis, sigmoid=sigmoid)
    hidden, inputs = torch.randn(3, 7, 6), torch.randn(3, 7, 4)
    for mask, lengths in ((None, [7, 7, 7]), (ragged_mask, [7, 4, 1])):
        pooled = head(hidden, inputs, mask)
        for clip, length in enumerate(lengths):
            assert pooled[clip].tolist() == pytest.approx(by_hand(head, hidden[clip], length), abs=1e-5)


@pytest.mark.parametrize("axis", ["class", "time"])
def test_junk_in_padded_hidden_frames_changes_nothing(axis, ragged_mask):
    """At the head alone: in a whole net convolution and RNN have seen the padding before."""
    head, hidden, inputs = LocalisationHead(6, 5, 4, axis=axis), torch.randn(3, 7, 6), torch.randn(3, 7, 4)
    junk = torch.where(ragged_mask.unsqueeze(-1), hidden, 1e6)
    assert torch.equal(head(junk, inputs, ragged_mask), head(hidden, inputs, ragged_mask))


def test_classes_compete_for_a_frame_or_frames_for_a_class():
    scores = torch.randn(2, 7, 5)
    assert torch.allclose(localisation_weights(scores, "class", None).sum(dim=-1), torch.ones(2, 7))
    assert torch.allclose(localisation_weights(scores, "time", None).sum(dim=1), torch.ones(2, 5))


def test_an_unknown_axis_is_refused_and_not_taken_for_time():
    with pytest.raises(ValueError, match=r"axis is 'frames' .*give class or time"):
        LocalisationHead(6, 5, 4, axis="frames")  # type: ignore[arg-type]
