from itertools import pairwise

import numpy as np
import pytest
from flatline.diagnostics.maps import MAX_FRAMES
from flatline.runs.map_log import MapLog, clip_folder
from flatline.runs.maps import MapReader


def waves(n_frames: int, n_classes: int = 3) -> np.ndarray:
    """A map whose neighbouring frames differ much, from 0 to 1 in every class."""
    return np.random.default_rng(n_frames).random((n_frames, n_classes)).astype(np.float32)


def written(folder, *appended):
    """A log of maps (iteration, maps, clip), closed."""
    maps = MapLog(folder, lambda: 2)
    for iteration, values, clip in appended:
        maps.append(iteration, values, clip)
    maps.close()


def read(folder, iteration, name="head.map", clip=None):
    place = "mean" if clip is None else clip_folder(clip)
    return MapReader(folder / "maps" / place, folder / "tail" / f"maps-{place}").read(iteration, name)


def averaged(values: np.ndarray) -> np.ndarray:
    """256 bins of frames, each the mean of its own."""
    edges = [int(place * len(values) / MAX_FRAMES) for place in range(MAX_FRAMES + 1)]
    return np.stack([values[begin:end].mean(axis=0) for begin, end in pairwise(edges)])


@pytest.mark.parametrize("n_frames", [MAX_FRAMES + 1, 300, 700, 2500])
def test_a_pinned_clip_s_map_is_kept_whole_and_the_batch_s_in_256_bins(tmp_path, n_frames):
    values = waves(n_frames)
    written(tmp_path, (0, {"head.map": values}, None), (0, {"head.map": values}, "a.wav"))
    whole, binned = read(tmp_path, 0, clip="a.wav"), read(tmp_path, 0)
    assert (whole.shape, binned.shape) == ((n_frames, 3), (MAX_FRAMES, 3))
    np.testing.assert_allclose(whole, values, atol=1.01 / 508)
    np.testing.assert_allclose(binned, averaged(values), atol=1.01 / 508)


@pytest.mark.parametrize("n_frames", [1, 255, MAX_FRAMES])
def test_maps_of_no_more_than_256_frames_are_whole_in_both(tmp_path, n_frames):
    values = waves(n_frames)
    written(tmp_path, (0, {"head.map": values}, None), (0, {"head.map": values}, "a.wav"))
    for clip in (None, "a.wav"):
        np.testing.assert_allclose(read(tmp_path, 0, clip=clip), values, atol=1.01 / 508)


def test_of_a_clip_with_several_maps_each_is_kept_whole(tmp_path):
    given = {"long": waves(900), "short": waves(40), "middle": waves(400)}
    written(tmp_path, (0, given, "a.wav"), (0, given, None))
    for name, values in given.items():
        np.testing.assert_allclose(read(tmp_path, 0, name, "a.wav"), values, atol=1.01 / 508)
    assert [len(read(tmp_path, 0, name)) for name in given] == [MAX_FRAMES, 40, MAX_FRAMES]


def test_clips_of_different_lengths_stay_apart_over_several_evaluations(tmp_path):
    clips = {"a.wav": 300, "b.wav": 1000}
    written(tmp_path, *((at, {"head.map": waves(n + at)}, clip) for at in (0, 50, 100) for clip, n in clips.items()))
    for clip, n_frames in clips.items():
        for at in (0, 50, 100):
            np.testing.assert_allclose(read(tmp_path, at, clip=clip), waves(n_frames + at), atol=1.01 / 508)
