import subprocess
import sys

import librosa
import numpy as np
import pytest
from flatline.data import PRESETS, SILENCE_DB, DataError, FeatureSettings, log_mel, resolve_features

RATES_HZ = (8000, 11025, 16000, 22050, 44100, 48000)


def librosa_log_mel(samples, settings):
    mel = librosa.feature.melspectrogram(
        y=samples,
        sr=settings.sample_rate_hz,
        n_fft=settings.n_fft,
        hop_length=settings.hop_length,
        n_mels=settings.n_mels,
        fmin=settings.fmin_hz,
        fmax=settings.fmax_hz,
    )
    return librosa.power_to_db(mel, ref=1.0, amin=1e-10, top_db=None).T


def sounds(rate_hz):
    rng = np.random.default_rng(0)
    time = np.arange(2 * rate_hz) / rate_hz
    yield "noise", 0.1 * rng.standard_normal(2 * rate_hz)
    yield "tone, then silence", np.where(time < 1, 0.5 * np.sin(2 * np.pi * 440 * time), 0)
    yield "quiet", 1e-5 * rng.standard_normal(rate_hz)
    yield "shorter than a window", 0.1 * rng.standard_normal(50)


@pytest.mark.filterwarnings("ignore:n_fft=.* is too large", "ignore:Empty filters")
@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("rate_hz", RATES_HZ)
def test_log_mel_is_what_librosa_gives(name, rate_hz):
    settings = resolve_features(name, rate_hz)
    for label, samples in sounds(settings.rate_hz):
        samples = samples.astype(np.float32)
        ours, theirs = log_mel(samples, settings), librosa_log_mel(samples, settings)
        assert ours.shape == (1 + len(samples) // settings.hop_length, settings.n_mels)
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-4, err_msg=label)


def test_log_mel_heeds_the_range_of_the_filters():
    settings = FeatureSettings(16000, 0.064, 0.032, 32, 4.0, fmin_hz=300.0, fmax_hz=3000.0)
    samples = np.random.default_rng(1).standard_normal(16000).astype(np.float32)
    np.testing.assert_allclose(log_mel(samples, settings), librosa_log_mel(samples, settings), rtol=0, atol=1e-4)


def test_silence_is_exactly_the_value_that_clips_are_padded_with():
    mel = log_mel(np.zeros(16000, dtype=np.float32), PRESETS["story-16k"])
    assert mel.dtype == np.float32
    assert (mel == SILENCE_DB).all()


@pytest.mark.parametrize("samples", [np.zeros(0), np.zeros((100, 2))], ids=["none", "two channels"])
def test_log_mel_refuses_what_is_not_one_channel(samples):
    with pytest.raises(DataError, match=r"samples have shape \(.*\) \(log_mel\); give one channel"):
        log_mel(samples, PRESETS["story-16k"])


@pytest.mark.parametrize(
    ("name", "n_fft", "hop_length", "n_mels", "n_frames"),
    [("seed-cgrnn", 5296, 2648, 64, 252), ("seed-simple", 1764, 220, 256, 3024)],
)
def test_the_seeds_settings_come_out_exactly_at_its_rate(name, n_fft, hop_length, n_mels, n_frames):
    settings = resolve_features(name, 44100)
    assert (settings.n_fft, settings.hop_length, settings.n_mels, settings.n_frames) == (
        n_fft,
        hop_length,
        n_mels,
        n_frames,
    )


@pytest.mark.parametrize("name", ["seed-cgrnn", "seed-simple"])
@pytest.mark.parametrize("rate_hz", RATES_HZ)
def test_the_seeds_settings_carry_over_to_other_rates(name, rate_hz):
    there, here = resolve_features(name, 44100), resolve_features(name, rate_hz)
    assert here.n_fft / rate_hz == pytest.approx(there.n_fft / 44100, rel=0.01)
    assert here.n_frames == pytest.approx(there.n_frames, rel=0.01)
    assert here.n_fft % 2 == 0


@pytest.mark.parametrize(
    ("name", "n_fft", "hop", "n_frames"), [("story-16k", 4096, 4096, 32), ("story-8k", 1024, 512, 63)]
)
def test_the_storys_settings(name, n_fft, hop, n_frames):
    settings = PRESETS[name]
    assert (settings.n_fft, settings.hop_length, settings.n_mels, settings.n_frames) == (n_fft, hop, 32, n_frames)


@pytest.mark.parametrize(
    ("rate_hz", "name", "resolved_hz"),
    [
        (8000, "story-8k", 8000),
        (16000, "story-16k", 16000),
        (44100, "seed-cgrnn", 44100),
        (48000, "seed-cgrnn", 48000),
        (11025, "story-8k", 8000),
        (22050, "story-16k", 16000),
        (32000, "seed-cgrnn", 44100),
        (96000, "seed-cgrnn", 48000),
    ],
)
def test_the_story_follows_the_rate_of_the_data(rate_hz, name, resolved_hz):
    assert resolve_features("story", rate_hz) == resolve_features(name, resolved_hz)


def test_settings_are_taken_as_they_are_and_get_the_rate_of_the_data():
    settings = FeatureSettings(None, 0.1, 0.05, 40, 4.0)
    assert resolve_features(settings, 22050).sample_rate_hz == 22050
    fixed = FeatureSettings(8000, 0.1, 0.05, 40, 4.0)
    assert resolve_features(fixed, 22050) == fixed
    assert FeatureSettings(**fixed.to_dict()) == fixed


def test_an_unknown_preset_is_an_error_that_lists_the_known():
    with pytest.raises(DataError, match=r"'mel' \(data\.features\); known: story, seed-cgrnn, seed-simple, story-16k"):
        resolve_features("mel", 16000)


@pytest.mark.parametrize("name", ["story", "seed-cgrnn"])
def test_no_sample_rate_is_an_error(name):
    with pytest.raises(DataError, match=r"sample rate.*no clip can be opened; check the data"):
        resolve_features(name, None)


def test_settings_without_a_rate_say_how_to_settle_it():
    with pytest.raises(DataError, match=r"sample_rate_hz is None \(FeatureSettings\); settle it with resolve_features"):
        _ = PRESETS["seed-cgrnn"].n_fft


@pytest.mark.parametrize("change", [{"hop_s": 0.0}, {"window_s": 0.0}, {"n_mels": 0}, {"duration_s": 0.0}])
def test_settings_of_nothing_are_an_error(change):
    values = PRESETS["story-8k"].to_dict() | change
    with pytest.raises(DataError, match=r"of nothing; use larger"):
        resolve_features(FeatureSettings(**values), None)


def test_the_key_changes_with_everything_that_changes_frames_and_with_nothing_else():
    base = PRESETS["story-8k"].to_dict()
    changes = [{"window_s": 0.1}, {"hop_s": 0.1}, {"n_mels": 40}, {"fmin_hz": 50.0}, {"fmax_hz": 3000.0}]
    keys = {FeatureSettings(**(base | change)).key for change in [{}, {"sample_rate_hz": 16000}, *changes]}
    assert len(keys) == 7
    assert FeatureSettings(**(base | {"duration_s": 9.0})).key == FeatureSettings(**base).key


def test_the_key_is_the_same_in_another_process():
    code = "from flatline.data import PRESETS; print(PRESETS['story-8k'].key)"
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert other.stdout.strip() == PRESETS["story-8k"].key


def test_data_imports_no_torch():
    code = "import sys, flatline.data; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
