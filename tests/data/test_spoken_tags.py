"""The whole way from files to batches, on real speech."""

import csv

import numpy as np
import pytest
from flatline.data import (
    BinStandardisation,
    check_dataset,
    extract,
    load_dataset,
    pad,
    resolve_features,
    training_split,
)


@pytest.fixture(scope="module")
def clipset(spoken_tags):
    return load_dataset(spoken_tags)


def test_real_clips_load_with_their_labels_and_the_test_split(clipset):
    assert (len(clipset), len(clipset.classes), clipset.sample_rate_hz) == (750, 14, 8000)
    assert clipset.targets().sum(1).mean() == pytest.approx(3.4, abs=0.2)
    split = training_split(clipset, seed=0)
    assert (split.kind, len(split.train), len(split.validation)) == ("test", 600, 150)


def test_real_clips_have_nothing_wrong(spoken_tags):
    assert check_dataset(spoken_tags) == []


def test_real_clips_become_standardised_batches_from_the_cache(clipset, tmp_path):
    settings = resolve_features("story", clipset.sample_rate_hz)
    paths = [clip.path for clip in clipset.clips]
    assert extract(paths, settings, cache_dir=tmp_path).n_extracted == 750
    features = extract(paths, settings, cache_dir=tmp_path)
    assert (features.n_extracted, features.n_cached) == (0, 750)
    train = training_split(clipset, seed=0).train
    scaling = BinStandardisation.fit(features, train)
    clips, mask = pad([scaling.apply(features[i]) for i in train], settings.n_frames, fill=0.0)
    assert clips.shape == (600, 63, 32)
    np.testing.assert_allclose(clips[mask].mean(0), 0, atol=1e-2)
    np.testing.assert_allclose(clips[mask].std(0), 1, atol=1e-2)


def test_events_of_real_clips_are_louder_than_the_rest(clipset, spoken_tags, tmp_path):
    settings = resolve_features("story", clipset.sample_rate_hz)
    clips = clipset.clips[:100]
    features = extract([clip.path for clip in clips], settings, cache_dir=tmp_path)
    index = {clip.fname: i for i, clip in enumerate(clips)}
    spoken = [np.zeros(n, dtype=bool) for n in features.n_frames]
    with (spoken_tags / "events.csv").open() as file:
        for row in csv.DictReader(file):
            if row["fname"] in index:
                first, last = (round(float(row[key]) / settings.hop_s) for key in ("onset_s", "offset_s"))
                spoken[index[row["fname"]]][first : last + 1] = True
    inside = np.concatenate([mel[mask] for mel, mask in zip(features, spoken, strict=True)])
    outside = np.concatenate([mel[~mask] for mel, mask in zip(features, spoken, strict=True)])
    assert inside.mean() > outside.mean() + 5  # dB
