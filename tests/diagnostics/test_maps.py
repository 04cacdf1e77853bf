import numpy as np
import pytest
from flatline.diagnostics.maps import MAX_FRAMES, bin_frames, decode_map, encode_map


def there_and_back(values: np.ndarray) -> np.ndarray:
    kept = encode_map(values)
    return decode_map(int(kept["frames"]), int(kept["classes"]), kept["low"], kept["high"], kept["values"])


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("scale", [1.0, 1e-6, 1e4])
def test_what_comes_back_is_off_by_at_most_a_508th_of_a_class_s_range(scale):
    values = scale * np.random.default_rng(0).standard_normal((200, 30)).astype(np.float32)
    error = np.abs(there_and_back(values) - values).max(axis=0)
    span = values.max(axis=0) - values.min(axis=0)
    assert (error <= span * (1 / 508 + 1e-5)).all()
    assert (error > span / 1000).any()  # the bound is near


@pytest.mark.filterwarnings("error")
def test_nan_stays_nan_where_it_was_and_infinity_becomes_nan():
    values = np.random.default_rng(0).random((6, 4)).astype(np.float32)
    values[2, 1], values[:, 3], values[5, 0] = np.nan, np.nan, np.inf
    back = there_and_back(values)
    np.testing.assert_array_equal(np.isnan(back), ~np.isfinite(values))
    np.testing.assert_allclose(back[:5, 0], values[:5, 0], atol=1 / 508)


def test_a_constant_class_comes_back_exactly():
    values = np.full((5, 2), 0.1, dtype=np.float32)
    np.testing.assert_array_equal(there_and_back(values), values)


def test_a_map_costs_a_byte_a_value_and_long_ones_are_binned():
    assert len(encode_map(np.zeros((252, 80)))["values"]) == 252 * 80
    assert len(encode_map(np.zeros((3024, 80)))["values"]) == MAX_FRAMES * 80


@pytest.mark.filterwarnings("error")
def test_a_bin_is_the_mean_of_its_frames_without_the_missing_ones():
    values = np.random.default_rng(0).random((1000, 3))
    values[10], values[300:340] = np.nan, np.nan
    binned = bin_frames(values, most=64)
    edges = [int(1000 * bin_ / 64) for bin_ in range(65)]
    for bin_ in range(64):
        rows = [row for row in values[edges[bin_] : edges[bin_ + 1]] if not np.isnan(row).any()]
        expected = np.mean(rows, axis=0) if rows else np.full(3, np.nan)
        np.testing.assert_allclose(binned[bin_], expected)
    assert np.isnan(binned).any()
    assert bin_frames(values[:64], most=64) is not None
    np.testing.assert_array_equal(bin_frames(values[:64], most=64), values[:64])
