import numpy as np
import pytest
from flatline.data.knobs import PITCH_JITTER_OCTAVES
from flatline.data.synth import SAMPLE_RATE_HZ, around, band_noise, faded, harmonics, rings


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def spectrum(samples):
    return np.fft.rfftfreq(len(samples), 1 / SAMPLE_RATE_HZ), np.abs(np.fft.rfft(samples)) ** 2


def test_a_frequency_is_drawn_within_the_jitter(rng):
    drawn = np.log2([around(rng, 440) / 440 for _ in range(500)])
    assert np.abs(drawn).max() <= PITCH_JITTER_OCTAVES
    assert np.abs(drawn).max() > 0.9 * PITCH_JITTER_OCTAVES


def test_harmonics_lie_at_multiples_and_none_folds_back(rng):
    frequency, power = spectrum(harmonics(rng, 1000.0, SAMPLE_RATE_HZ, 20, 0.0))
    peaks = frequency[power > power.max() / 1000]
    assert set(peaks.round(-3)) == {1000.0 * k for k in range(1, 8)}


def test_band_noise_keeps_to_its_band(rng):
    frequency, power = spectrum(band_noise(rng, SAMPLE_RATE_HZ, 500, 900))
    outside = (frequency < 500) | (frequency > 900)
    assert power[outside].sum() < 1e-2 * power.sum()


def test_a_fade_starts_and_ends_in_silence_and_leaves_the_middle():
    samples = faded(np.ones(4000))
    assert samples[0] < 1e-4
    assert samples[-1] < 1e-4
    assert (samples[400:-400] == 1).all()


def test_strikes_ring_where_they_are_put(rng):
    samples = rings(rng, SAMPLE_RATE_HZ, np.array([0.25, 0.75, 2.0]), 1000, 0.005)
    assert np.abs(samples[:4000]).max() < 1e-9
    assert np.abs(samples[4000:4100]).max() > 0.3
    assert np.abs(samples[12000:12100]).max() > 0.3
