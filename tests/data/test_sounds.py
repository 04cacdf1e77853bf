import numpy as np
import pytest
from flatline.data import FeatureSettings, log_mel
from flatline.data.sounds import CLASSES, SOUNDS, TEMPORAL_TWINS
from flatline.data.synth import SAMPLE_RATE_HZ

BY_NAME = {sound.name: sound for sound in SOUNDS}
RISING = [first for pair in TEMPORAL_TWINS for first in pair if "Chirp_up" in first or first == "Whoosh_up"]
SWELLING = [name for pair in TEMPORAL_TWINS for name in pair if name.startswith(("Crescendo", "Clicks_accelerating"))]


def render(name, seed=0, seconds=2.0):
    return BY_NAME[name].render(np.random.default_rng(seed), round(seconds * SAMPLE_RATE_HZ))


def average_spectrum(samples):
    """Long-term average log-mel spectrum (mel,) dB: the story's windows, close enough to weigh every moment alike."""
    settings = FeatureSettings(SAMPLE_RATE_HZ, 0.256, 0.004, 32, 8.0)
    mel = log_mel(np.pad(samples, settings.n_fft).astype(np.float32), settings)
    return 10 * np.log10((10 ** (mel / 10)).mean(0))


def trend(name, seed, quantity):
    """Correlation of a quantity of every tenth of a sound with time."""
    parts = np.array_split(render(name, seed), 10)
    return np.corrcoef(np.arange(10), [quantity(part) for part in parts])[0, 1]


def centroid_hz(samples):
    power = np.abs(np.fft.rfft(samples)) ** 2
    return (power * np.fft.rfftfreq(len(samples), 1 / SAMPLE_RATE_HZ)).sum() / power.sum()


def test_there_are_80_classes_in_sorted_order_and_24_of_them_are_twins():
    assert len(set(CLASSES)) == 80
    assert list(CLASSES) == sorted(CLASSES)
    assert len({name for pair in TEMPORAL_TWINS for name in pair}) == 24
    assert all(BY_NAME[BY_NAME[a].twin or ""].twin == a and BY_NAME[a].twin == b for a, b in TEMPORAL_TWINS)


@pytest.mark.parametrize("name", CLASSES)
@pytest.mark.parametrize("seconds", [0.5, 2.5])
def test_every_sound_has_its_length_and_is_finite_and_audible(name, seconds):
    samples = render(name, seconds=seconds)
    assert samples.shape == (round(seconds * SAMPLE_RATE_HZ),)
    assert np.isfinite(samples).all()
    assert np.abs(samples).max() > 1e-3


@pytest.mark.parametrize(("first", "second"), TEMPORAL_TWINS)
def test_twins_have_the_same_long_term_average_spectrum(first, second):
    ours, theirs = average_spectrum(render(first)), average_spectrum(render(second))
    loud = ours > ours.max() - 40
    assert np.abs(ours - theirs)[loud].max() < 0.1  # dB


@pytest.mark.parametrize(("first", "second"), TEMPORAL_TWINS)
def test_twins_are_one_another_in_reversed_order(first, second):
    np.testing.assert_array_equal(render(first), render(second)[::-1])
    assert np.abs(np.corrcoef(render(first), render(second))[0, 1]) < 0.5


@pytest.mark.parametrize("name", RISING)
@pytest.mark.parametrize("seed", range(3))
def test_pitch_rises_and_its_twin_falls(name, seed):
    assert trend(name, seed, centroid_hz) > 0.8
    assert trend(BY_NAME[name].twin, seed, centroid_hz) < -0.8


@pytest.mark.parametrize("name", SWELLING)
@pytest.mark.parametrize("seed", range(3))
def test_energy_rises_and_its_twin_falls(name, seed):
    assert trend(name, seed, lambda part: np.mean(part**2)) > 0.6
    assert trend(BY_NAME[name].twin, seed, lambda part: np.mean(part**2)) < -0.6


@pytest.mark.parametrize("band", ["low", "mid", "high"])
def test_the_two_notes_come_in_the_order_of_their_name(band):
    start, end = np.array_split(render(f"Notes_low_high_{band}"), 2)
    assert centroid_hz(start) < centroid_hz(end) / 1.3


def test_sounds_of_a_class_differ_from_one_another():
    for name in CLASSES:
        assert not np.array_equal(render(name, 0), render(name, 1)), name
