import numpy as np
import pytest
from flatline.data import SILENCE_DB, DataError, pad


def mels(*lengths, n_mels=3):
    rng = np.random.default_rng(0)
    return [rng.standard_normal((n, n_mels)).astype(np.float32) for n in lengths]


def test_the_mask_is_true_exactly_where_the_frames_are_real():
    given = mels(2, 5, 9)
    clips, mask = pad(given, 5)
    assert clips.shape == (3, 5, 3)
    assert (clips.dtype, mask.dtype) == (np.float32, bool)
    for clip, real, mel in zip(clips, mask, given, strict=True):
        n = min(len(mel), 5)
        assert real.tolist() == [True] * n + [False] * (5 - n)
        np.testing.assert_array_equal(clip[real], mel[:5])
        assert (clip[~real] == SILENCE_DB).all()


def test_the_fill_can_be_chosen():
    assert (pad(mels(1), 4, fill=-4.0)[0][0, 1:] == -4).all()


def test_a_clip_without_frames_is_an_error_that_names_it():
    with pytest.raises(
        DataError, match=r"clip 1 of the batch has no frames \(pad\); leave out the clips in Features\.bad"
    ):
        pad(mels(3, 0), 5)


def test_no_clips_are_an_error():
    with pytest.raises(DataError, match=r"no clips to pad \(pad\); give at least one"):
        pad([], 5)


def test_clips_with_different_mel_bins_are_an_error():
    with pytest.raises(DataError, match=r"clip 1 has 4 mel bins, the first 3 \(pad\); extract them alike"):
        pad([*mels(2), *mels(2, n_mels=4)], 5)
