from collections import Counter

import numpy as np
import pytest
from flatline.data.knobs import LONGEST_S, SHORTEST_S
from flatline.data.mixing import mix, plan_clips
from flatline.data.sounds import CLASSES, SOUNDS
from flatline.data.synth import SAMPLE_RATE_HZ


def test_classes_come_up_nearly_equally_often_and_clips_have_about_1_19_labels():
    plans = plan_clips("train_curated", 800, seed=0)
    counts = Counter(label for plan in plans for label in plan.labels)
    assert set(counts) == set(CLASSES)
    assert min(counts.values()) >= 10
    assert np.mean([len(plan.labels) for plan in plans]) == pytest.approx(1.19, abs=0.05)
    assert all(len(set(plan.labels)) == len(plan.labels) for plan in plans)


@pytest.mark.parametrize("split", ["train_curated", "test"])
def test_curated_and_test_labels_are_right(split):
    assert all(plan.labels == tuple(s.name for s in plan.sounds) for plan in plan_clips(split, 200, seed=0))


def test_a_quarter_of_the_noisy_clips_has_wrong_labels_only():
    plans = plan_clips("train_noisy", 200, seed=0)
    wrong = [plan for plan in plans if plan.labels != tuple(sound.name for sound in plan.sounds)]
    assert len(wrong) == 50
    assert not any(set(plan.labels) & {sound.name for sound in plan.sounds} for plan in wrong)


def test_names_are_unique_and_tell_nothing_of_the_class():
    names = [plan.fname for split in ("train_curated", "train_noisy", "test") for plan in plan_clips(split, 900, 0)]
    assert len(set(names)) == 2700
    assert all(len(name) == 16 and name.endswith(".wav") for name in names)


@pytest.mark.parametrize("seed", range(20))
def test_events_lie_within_their_clip_and_nothing_clips(seed):
    rng = np.random.default_rng(seed)
    sounds = tuple(SOUNDS[i] for i in rng.choice(80, size=3, replace=False))
    samples, events = mix(sounds, rng)
    duration_s = len(samples) / SAMPLE_RATE_HZ
    assert samples.dtype == np.int16
    assert SHORTEST_S <= duration_s <= LONGEST_S
    assert 0 < np.abs(samples.astype(int)).max() < 32767
    assert sorted(event.label for event in events) == sorted(sound.name for sound in sounds)
    assert all(0 <= event.onset_s < event.offset_s <= duration_s for event in events)
    assert [event.onset_s for event in events] == sorted(event.onset_s for event in events)


def test_an_event_stands_out_of_the_background():
    for seed in range(20):
        samples, (event,) = mix((SOUNDS[seed],), np.random.default_rng(seed))
        start, end = round(event.onset_s * SAMPLE_RATE_HZ), round(event.offset_s * SAMPLE_RATE_HZ)
        inside = np.mean(samples[start:end].astype(float) ** 2)
        rest = np.concatenate([samples[:start], samples[end:]]).astype(float)
        if len(rest):
            assert inside > 10 * np.mean(rest**2)
