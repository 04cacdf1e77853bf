import numpy as np
import pytest
import soundfile
import soxr
from flatline.data import DataError, read_clip


def test_a_clip_is_read_as_float32_at_its_own_rate(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.array([0, 16384, -32768], dtype=np.int16), 44100)
    clip = read_clip(tmp_path / "a.wav")
    np.testing.assert_array_equal(clip.samples, [0, 0.5, -1])
    assert (clip.samples.dtype, clip.sample_rate_hz) == (np.float32, 44100)
    assert clip.duration_s == pytest.approx(3 / 44100)


@pytest.mark.parametrize("channels", [2, 3, 6])
def test_channels_are_averaged(tmp_path, channels):
    samples = np.random.default_rng(0).uniform(-0.5, 0.5, (400, channels)).astype(np.float32)
    soundfile.write(tmp_path / "a.wav", samples, 8000, subtype="FLOAT")
    np.testing.assert_allclose(read_clip(tmp_path / "a.wav").samples, samples.mean(1), atol=1e-7)


@pytest.mark.parametrize("rate_hz", [8000, 11025, 22050, 48000, 96000])
def test_any_rate_is_resampled_as_soxr_does(wav, rate_hz):
    path = wav("a.wav", rate_hz=rate_hz)
    expected = soxr.resample(soundfile.read(path, dtype="float32")[0], rate_hz, 16000, quality="HQ")
    clip = read_clip(path, 16000)
    np.testing.assert_allclose(clip.samples, expected, atol=1e-6)
    assert clip.sample_rate_hz == 16000
    assert clip.duration_s == pytest.approx(0.4, abs=1e-3)


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ALAW"])
def test_every_common_sample_format_is_read(wav, subtype):
    plain, other = read_clip(wav("a.wav", subtype="FLOAT")), read_clip(wav("a.wav", subtype=subtype))
    assert np.corrcoef(plain.samples, other.samples)[0, 1] > 0.99


@pytest.mark.parametrize("suffix", ["flac", "ogg"])
def test_other_formats_are_read(wav, suffix):
    assert read_clip(wav(f"a.{suffix}")).duration_s == pytest.approx(0.4)


def test_a_missing_file_is_an_error(tmp_path):
    with pytest.raises(DataError, match=r"a\.wav: does not exist; restore the file"):
        read_clip(tmp_path / "a.wav")


def test_a_folder_is_an_error(tmp_path):
    with pytest.raises(DataError, match="is a folder"):
        read_clip(tmp_path)


def test_an_empty_file_is_an_error(tmp_path):
    (tmp_path / "a.wav").touch()
    with pytest.raises(DataError, match=r"a\.wav: is empty \(0 bytes\); restore the file from its source"):
        read_clip(tmp_path / "a.wav")


def test_a_file_without_samples_is_an_error(wav):
    with pytest.raises(DataError, match=r"a\.wav: has no samples; restore"):
        read_clip(wav("a.wav", seconds=0))


@pytest.mark.parametrize("kept", [20, 30, 43, 44, 46, 1000, -1])
def test_a_truncated_wav_is_an_error_wherever_it_was_cut(wav, kept):
    path = wav("a.wav")
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(DataError, match=r"a\.wav: is truncated: \d+ bytes .* are not there; restore"):
        read_clip(path)


@pytest.mark.parametrize(
    ("suffix", "what"),
    [("flac", r"is truncated or damaged \(.*\)"), ("mp3", r"is truncated: \d+ of 24000 samples can be read")],
)
def test_other_truncated_formats_are_an_error(wav, suffix, what):
    if suffix.upper() not in soundfile.available_formats():
        pytest.skip(f"this libsndfile has no {suffix}")
    path = wav(f"a.{suffix}", seconds=3)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match=rf"a\.{suffix}: {what}; restore"):
        read_clip(path)


@pytest.mark.parametrize("content", [b"<html>404</html>", b"RIFF\0\0\0\0AVI LIST" + b"\0" * 64], ids=["html", "avi"])
def test_what_is_not_audio_is_an_error(tmp_path, content):
    (tmp_path / "a.wav").write_bytes(content)
    with pytest.raises(DataError, match=r"a\.wav: is not audio that can be decoded .*; restore"):
        read_clip(tmp_path / "a.wav")


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("rate_hz", [None, 16000])
def test_samples_that_are_no_numbers_are_an_error(tmp_path, value, rate_hz):
    samples = np.zeros((100, 2), dtype=np.float32)
    samples[40:43, 0] = value
    soundfile.write(tmp_path / "a.wav", samples, 8000, subtype="FLOAT")
    with pytest.raises(DataError, match=r"a\.wav: 3 of its 100 samples are NaN or infinite; write the file anew"):
        read_clip(tmp_path / "a.wav", rate_hz)
