import torch
from flatline.diagnostics.through_time.frames import Frames

CLIPS = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 0.0]]).unsqueeze(2)  # (clip, frame, 1)


def frames(lengths=(3, 2)):
    return Frames(None if lengths is None else torch.tensor(lengths), 3, torch.device("cpu"))


def test_each_clip_is_reversed_within_its_length():
    assert frames().reverse(CLIPS).squeeze(2).tolist() == [[3, 2, 1], [5, 4, 0]]
    assert frames(None).reverse(CLIPS).squeeze(2).tolist() == [[3, 2, 1], [0, 5, 4]]


def test_padding_becomes_zero_whatever_stood_there():
    spoilt = CLIPS.clone()
    spoilt[1, 2] = torch.nan
    assert torch.equal(frames().without_padding(spoilt), CLIPS)
    assert frames(None).without_padding(spoilt) is spoilt


def test_what_the_directions_read_comes_back_in_the_clips_order():
    read = frames().as_read([CLIPS, 10 * CLIPS])
    assert read.shape == (3, 2, 2, 1)
    assert read[0].squeeze(2).tolist() == [[1, 4], [30, 50]]
    forward, reverse = frames().as_they_come(read)
    assert torch.equal(forward, CLIPS)
    assert torch.equal(reverse, 10 * CLIPS)


def test_a_final_states_gradient_goes_to_the_frame_read_last():
    final = torch.tensor([[[100.0], [200.0]]])  # (direction, clip, 1)
    for lengths, expected in (((3, 2), [[1, 2, 103], [4, 205, 0]]), (None, [[1, 2, 103], [4, 5, 200]])):
        summed = frames(lengths).add_to_last(frames(lengths).as_read([CLIPS]), final)
        assert summed[:, 0].squeeze(2).T.tolist() == expected
