import warnings

import numpy as np
import pytest
from flatline.diagnostics.medians import row_medians


@pytest.mark.parametrize("width", [1, 2, 7, 80])
def test_it_is_numpys_median_without_nan(width):
    random = np.random.default_rng(width)
    values = random.standard_normal((300, width)).astype(np.float32)
    values[random.random(values.shape) < 0.4] = np.nan
    values[random.random(values.shape) < 0.1] = np.inf
    values[5] = np.nan
    before = values.copy()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        expected = np.nanmedian(values, axis=1)
    np.testing.assert_allclose(row_medians(values), expected, rtol=1e-6)
    np.testing.assert_array_equal(values, before)


def test_rows_without_entries_have_none():
    assert np.isnan(row_medians(np.empty((3, 0)))).tolist() == [True] * 3
    assert row_medians(np.empty((0, 4))).shape == (0,)
