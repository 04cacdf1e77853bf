import torch
from flatline.models.heads import MeanHead


def test_it_is_the_mean_of_frame_logits_or_of_frame_probabilities():
    hidden, inputs = torch.randn(3, 7, 6), torch.randn(3, 7, 4)
    for sigmoid in (False, True):
        head = MeanHead(6, 5, 4, sigmoid=sigmoid)
        for clip in range(3):
            frames = [head.classification(hidden[clip, frame]) for frame in range(7)]
            frames = [frame.sigmoid() if sigmoid else frame for frame in frames]
            assert torch.allclose(head(hidden, inputs)[clip], sum(frames) / 7, atol=1e-6)
        assert head.output == ("probabilities" if sigmoid else "logits")


def test_junk_in_padded_hidden_frames_changes_nothing(ragged_mask):
    """At the head alone: in a whole net convolution and RNN have seen the padding before."""
    head, hidden, inputs = MeanHead(6, 5, 4), torch.randn(3, 7, 6), torch.randn(3, 7, 4)
    junk = torch.where(ragged_mask.unsqueeze(-1), hidden, 1e6)
    assert torch.equal(head(junk, inputs, ragged_mask), head(hidden, inputs, ragged_mask))
