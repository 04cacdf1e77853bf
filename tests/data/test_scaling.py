import json

import numpy as np
import pytest
from flatline.data import BinStandardisation, DataError, FixedScaling, scaling_from_dict
from flatline.data.scaling import STD_FLOOR_DB


@pytest.fixture
def clips():
    rng = np.random.default_rng(0)
    scale = np.array([15, 8, 3])
    return [(rng.normal(-40, scale, (n, 3))).astype(np.float32) for n in (5, 40, 1, 17)]


def test_fixed_scaling_is_the_seeds():
    array = np.array([[-100, -20, 0, 40]], dtype=np.float32)
    np.testing.assert_allclose(FixedScaling().apply(array), [[-4, 0, 1, 3]])
    assert FixedScaling().apply(array).dtype == np.float32


def test_standardisation_is_fitted_on_the_frames_of_the_training_clips_alone(clips):
    fitted = BinStandardisation.fit(clips, [0, 1, 3])
    values = [[frame[mel] for clip in (clips[0], clips[1], clips[3]) for frame in clip.tolist()] for mel in range(3)]
    mean = [sum(column) / 62 for column in values]
    variance = [sum((value - m) ** 2 for value in column) / 62 for column, m in zip(values, mean, strict=True)]
    np.testing.assert_allclose(fitted.mean, mean, rtol=1e-9)
    np.testing.assert_allclose(fitted.std, np.sqrt(variance), rtol=1e-9)


def test_standardised_training_frames_have_mean_0_and_deviation_1(clips):
    frames = np.concatenate(clips)
    scaled = BinStandardisation.fit(clips, range(4)).apply(frames)
    np.testing.assert_allclose(scaled.mean(0), 0, atol=1e-5)
    np.testing.assert_allclose(scaled.std(0), 1, atol=1e-5)
    assert scaled.dtype == np.float32


def test_a_bin_that_never_varies_is_not_blown_up():
    silent = [np.full((10, 2), -100, dtype=np.float32)]
    fitted = BinStandardisation.fit(silent, [0])
    assert fitted.std == (STD_FLOOR_DB, STD_FLOOR_DB)
    np.testing.assert_array_equal(fitted.apply(silent[0]), 0)


def test_fitting_on_nothing_is_an_error(clips):
    with pytest.raises(DataError, match=r"no frame to fit on \(BinStandardisation\.fit\); give the indices"):
        BinStandardisation.fit(clips, [])


def test_another_number_of_mel_bins_is_an_error(clips):
    with pytest.raises(DataError, match=r"array has 4 mel bins but the scaling has 3 .*fit it on the same features"):
        BinStandardisation.fit(clips, [0]).apply(np.zeros((5, 4)))


@pytest.mark.parametrize("scaling", [FixedScaling(10, 30), BinStandardisation((1.5, -2.0), (3.0, 4.0))])
def test_a_scaling_survives_json(scaling):
    assert scaling_from_dict(json.loads(json.dumps(scaling.to_dict()))) == scaling


def test_an_unknown_scaling_is_an_error_that_lists_the_known():
    with pytest.raises(DataError, match=r"'minmax'.*known kinds: fixed, bin-standardisation"):
        scaling_from_dict({"kind": "minmax"})
