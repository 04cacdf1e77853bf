import numpy as np
import pandas as pd
import pytest
from flatline.dashboard.figures.sampling import min_binned, sampled


def table(rows, columns=3, step=1):
    values = np.random.default_rng(0).lognormal(size=(rows, columns)).astype("f4")
    return pd.DataFrame(values, index=np.arange(rows) * step, columns=list("abc")[:columns])


def test_bins_hold_the_true_minima():
    full = table(1000)
    full.iloc[3:7, 0] = np.nan
    binned, width = min_binned(full, columns=120)
    assert width == 9
    expected = full.groupby(np.asarray(full.index) // 9).min()
    np.testing.assert_array_equal(binned.to_numpy(), expected.to_numpy())
    np.testing.assert_array_equal(binned.index, expected.index * 9)


def test_a_short_run_is_not_binned():
    full = table(50)
    binned, width = min_binned(full, columns=120)
    assert width == 1
    pd.testing.assert_frame_equal(binned, full, check_index_type=False)


def test_a_bin_without_a_record_stays_nan():
    full = table(1000)
    full.iloc[100:400, 1] = np.nan
    binned, _ = min_binned(full, columns=100)
    assert binned["b"].isna().to_numpy().nonzero()[0].tolist() == list(range(10, 40))
    assert not binned["a"].isna().any()


def test_iterations_that_are_missing_altogether_are_nan():
    full = table(100).drop(index=range(40, 60))
    binned, _ = min_binned(full)
    assert binned.loc[40:59].isna().all(axis=None)
    assert len(binned) == 100


def test_a_cadence_is_not_taken_for_gaps():
    binned, width = min_binned(table(100, step=10))
    assert (width, len(binned), binned.isna().any(axis=None)) == (10, 100, False)


def test_one_row_and_none():
    assert len(min_binned(table(1))[0]) == 1
    assert len(min_binned(table(0))[0]) == 0


@pytest.mark.parametrize("spike", [-1e6, 1e6])
def test_a_single_spike_survives_downsampling(spike):
    series = pd.Series(np.random.default_rng(1).normal(size=100_000), index=np.arange(100_000))
    series[54_321] = spike
    drawn = sampled(series, points=600)
    assert len(drawn) <= 600
    assert drawn[54_321] == spike
    assert (drawn.index[0], drawn.index[-1]) == (0, 99_999)


def test_a_long_gap_breaks_the_line_and_a_short_line_is_whole():
    series = pd.Series(np.arange(100.0))
    series[40:60] = np.nan
    drawn = sampled(series)
    assert drawn.isna().sum() == 1
    assert 39 < drawn.index[drawn.isna()][0] < 60
    pd.testing.assert_series_equal(drawn.dropna(), series.dropna(), check_index_type=False)


def test_a_gap_breaks_a_downsampled_line_too():
    series = pd.Series(np.random.default_rng(2).normal(size=50_000))
    series[20_000:30_000] = np.nan
    drawn = sampled(series)
    gap = drawn[19_999.5:30_000]
    assert gap.isna().sum() == 1


def test_a_signal_recorded_every_tenth_iteration_is_one_line():
    series = pd.Series(np.nan, index=np.arange(1000))
    series[::10] = 1.0
    assert not sampled(series).isna().any()


def test_nothing_recorded_is_nothing_drawn():
    assert sampled(pd.Series([np.nan, np.nan])).empty


def test_the_pairs_of_a_bin_are_no_gaps():
    bins = np.arange(0, 6000, 10.0)
    for share in (1, 0.96, 0.6, 0.45, 0.3):  # a signal that every bin has, or nearly every, or ...
        held = np.unique(np.floor(np.arange(0, 600 * share) / share)).astype(int)
        held = held[(held < 300) | (held > 340)]
        index = np.sort(np.concatenate([bins[held], bins[held] + 5]))
        drawn = sampled(pd.Series(1.0, index=index))
        gaps = drawn.index[drawn.isna()]
        assert len(gaps) == 1, share
        assert 3000 <= gaps[0] <= 3400
