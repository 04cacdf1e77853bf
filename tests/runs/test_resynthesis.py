"""What a net used, as sound: the mask, the way through the transform and back, and the file."""

import io
import wave
from dataclasses import replace

import librosa
import numpy as np
import pytest
from flatline.data import log_mel, resolve_features
from flatline.diagnostics.errors import RunError
from flatline.runs.kept_clips import KeptClip, wav
from flatline.runs.pinned_clips import mel_hz
from flatline.runs.resynthesis import WHOLE_SHARE, mask_of, masked, read_wav, what_was_used

STORY = resolve_features("story-8k", 8000)
HZ = mel_hz(STORY)


def noise(seconds=2.0, rate_hz=8000, seed=0):
    return 0.2 * np.random.default_rng(seed).standard_normal(int(seconds * rate_hz))


def kept(samples, tmp_path, rate_hz=8000):
    path = tmp_path / "audio.wav"
    path.write_bytes(wav(samples, rate_hz))
    mel = np.zeros((32, len(HZ)), np.float32)
    return KeptClip("a.wav", mel, frame_s=0.064, hz=HZ, sample_rate_hz=rate_hz, audio=path)


@pytest.mark.parametrize("length", [1, 100, 16_000, 16_001, 31_997])
@pytest.mark.parametrize("rate_hz", [8000, 44_100])
def test_a_mask_of_ones_gives_the_sound_back(length, rate_hz):
    sound = noise(length / rate_hz + 1, rate_hz)[:length]
    again = masked(sound, rate_hz, np.ones((32, 32)), 0.064, HZ)
    assert len(again) == length
    np.testing.assert_allclose(again, sound, atol=1e-4)


def test_a_mask_of_zeros_is_silence():
    assert not masked(noise(), 8000, np.zeros((32, 32)), 0.064, HZ).any()


def test_of_two_tones_the_masked_one_is_gone():
    t = np.arange(16_000) / 8000
    low, high = np.sin(2 * np.pi * 400 * t), np.sin(2 * np.pi * 2500 * t)
    mask = np.tile((HZ < 1000).astype(float), (32, 1))
    heard = masked(0.3 * low + 0.3 * high, 8000, mask, 0.064, HZ)
    inner = slice(1000, -1000)
    assert np.abs(heard - 0.3 * low)[inner].max() < 0.01


def test_of_a_long_tone_the_frames_of_the_mask_are_heard():
    tone = 0.3 * np.sin(2 * np.pi * 700 * np.arange(16_000) / 8000)
    mask = np.zeros((32, 32))
    mask[10:20] = 1
    heard = np.abs(masked(tone, 8000, mask, 0.064, HZ))
    began, ended = 10 * 512, 19 * 512
    assert heard[began : ended + 1].max() == pytest.approx(0.3, abs=0.01)
    assert heard[: began - 1024].max() < 1e-3
    assert heard[ended + 1024 :].max() < 1e-3


def test_between_centres_the_mask_is_the_filterbank_s_transpose():
    """Held against librosa's own triangles, each frequency's weights divided by their sum."""
    filters = librosa.filters.mel(sr=8000, n_fft=1024, n_mels=32, norm=None)
    frequencies = np.fft.rfftfreq(1024, 1 / 8000)
    inside = (frequencies >= HZ[0]) & (frequencies <= HZ[-1])
    row = np.random.default_rng(1).random(32)
    expected = (row @ filters) / filters.sum(axis=0).clip(1e-12)
    np.testing.assert_allclose(np.interp(frequencies, HZ, row)[inside], expected[inside], atol=1e-3)


def test_what_the_features_do_not_hold_is_left_out():
    t = np.arange(44_100) / 44_100
    low, high = np.sin(2 * np.pi * 500 * t), np.sin(2 * np.pi * 9000 * t)
    heard = masked(0.2 * low + 0.2 * high, 44_100, np.ones((32, 32)), 0.064, HZ, highest_hz=4000)
    assert np.abs(heard - 0.2 * low)[3000:-3000].max() < 1e-3


def test_the_cells_that_hold_half_pass_whole_and_the_others_in_proportion():
    values = np.random.default_rng(2).standard_normal((40, 32)) ** 3
    mask = mask_of(values)
    positive = np.maximum(values, 0)
    whole = mask == 1
    assert positive[whole].sum() >= WHOLE_SHARE * positive.sum()
    assert positive[whole].sum() - positive[whole].min() < WHOLE_SHARE * positive.sum()
    assert not mask[values <= 0].any()
    ratio = mask[(mask > 0) & ~whole] / positive[(mask > 0) & ~whole]
    np.testing.assert_allclose(ratio, 1 / positive[whole].min())


@pytest.mark.parametrize("values", [np.zeros((3, 2)), -np.ones((3, 2)), np.full((3, 2), np.nan), np.zeros((0, 2))])
def test_nothing_positive_lets_nothing_through(values):
    mask = mask_of(values)
    assert mask.shape == values.shape
    assert not mask.any()


def test_the_file_has_the_clip_s_length_and_rate_and_is_not_cut(tmp_path):
    loud = np.sign(noise(1.7)) * 0.999
    clip = kept(loud, tmp_path)
    content = what_was_used(np.random.default_rng(3).standard_normal((28, 32)), clip)
    with wave.open(io.BytesIO(content)) as file:
        assert (file.getframerate(), file.getnframes(), file.getnchannels()) == (8000, len(loud), 1)
    heard, _ = read_wav(content, "a.wav")
    assert 0.01 < np.abs(heard).max() <= 1
    assert (np.abs(heard) == 1).sum() <= 1


def test_ones_are_the_file_itself_but_for_rounding(tmp_path):
    clip = kept(noise(), tmp_path)
    again, _ = read_wav(what_was_used(np.ones((32, 32)), clip), "a.wav")
    first, _ = read_wav(clip.audio.read_bytes(), "a.wav")
    np.testing.assert_allclose(again, first, atol=1e-4)


def test_the_frames_of_the_mask_are_those_of_the_features(tmp_path):
    """A click lies in the frame whose log-mel is the loudest, and that frame alone lets it through."""
    sound = np.zeros(16_000)
    sound[9000:9020] = 0.5
    loudest = int(log_mel(sound, STORY).sum(axis=1).argmax())
    mask = np.zeros((32, 32))
    mask[loudest] = 1
    assert np.abs(masked(sound, 8000, mask, 0.064, HZ)).max() > 0.2
    assert np.abs(masked(sound, 8000, 1 - mask, 0.064, HZ)).max() < 0.3


@pytest.mark.parametrize("missing", ["audio", "frame_s", "hz"])
def test_without_what_it_needs_it_says_so(tmp_path, missing):
    with pytest.raises(RunError, match="no sound was kept of clip"):
        what_was_used(np.ones((32, 32)), replace(kept(noise(), tmp_path), **{missing: None}))


def test_another_number_of_bins_and_a_damaged_sound_are_said(tmp_path):
    clip = kept(noise(), tmp_path)
    with pytest.raises(RunError, match="16 mel bins"):
        what_was_used(np.ones((32, 16)), clip)
    clip.audio.write_bytes(b"RIFF")
    with pytest.raises(RunError, match="cannot be read"):
        what_was_used(np.ones((32, 32)), clip)
